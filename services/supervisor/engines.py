"""Which Swarm `make run` works on: the engine that docker's own tools would use, or the simulator. Asks the engine."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from funswarm.errors import FunswarmError, TemporaryError
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.settings import Settings
from services.supervisor.child import Program
from services.supervisor.ground import CannotRun
from services.supervisor.lines import of_service

START_TIMEOUT_S: Final = 60.0
NETWORK: Final = "fun-swarm"  # where GET /create puts its services


@dataclass(frozen=True, slots=True)
class Found:
    """A Swarm manager that answers; `said` describes it in a line. `has_network`: there is the network NETWORK."""

    said: str
    has_network: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    """No engine answers; `why` in its own words."""

    why: str


async def find(settings: Settings) -> Found | Nothing:
    """The Swarm manager to work on; makes a Swarm of one node where `settings.swarm_init` asks for it.

    Raises:
        CannotRun: there is an engine, and it is no Swarm manager; the text says what to do.
    """
    if settings.simulator:
        return Nothing("FUNSWARM_SIMULATOR asks for it")
    try:
        engine = await Engine.connect(EngineSettings.from_environment(os.environ))
    except TemporaryError as error:
        return Nothing(str(error))
    except FunswarmError as error:
        raise CannotRun(f"the Docker engine cannot be used: {error}") from error
    try:
        return Found(await _manager(engine, settings), bool(await engine.ids("network", [NETWORK])))
    finally:
        await engine.close()


def simulator(socket: Path) -> Program:
    """The engine that pretends."""
    command = (sys.executable, "-m", "services.simulator", "--socket", str(socket))
    return Program("simulator", command, os.environ, _without_ready)


def _without_ready(line: str) -> str | None:
    return None if line.startswith('{"ready"') else of_service(line)  # that line is for programs


async def _manager(engine: Engine, settings: Settings) -> str:
    info = await engine.info()
    made = ""
    if info.swarm_state == "inactive":
        if not settings.swarm_init:
            raise CannotRun(no_swarm(info.address))
        await engine.init_swarm(_advertise(info.address))
        info = await engine.info()
        made = " (made just now)"
    if info.swarm_state == "locked":
        raise CannotRun(f"the Swarm of the engine at {info.address} is locked: run `docker swarm unlock`")
    if not info.control_available:
        raise CannotRun(
            f"the engine at {info.address} is a worker of its Swarm (state {info.swarm_state}): "
            "set DOCKER_HOST to a manager's address"
        )
    return (
        f"Docker engine {info.version}, API {info.api_version}, at {info.address}; "
        f"manager of Swarm {info.cluster_id}{made}"
    )


def no_swarm(address: str) -> str:
    """What to do with an engine that is in no Swarm."""
    return (
        f"the Docker engine at {address} is not in Swarm mode. Make a Swarm of this one machine with\n"
        f"    docker swarm init --advertise-addr {_advertise(address)}\n"
        "or let Funswarm do it:\n"
        "    make run SWARM_INIT=1"
    )


def _advertise(address: str) -> str:
    """Where other nodes would reach this one: the engine's host; for a socket this machine alone."""
    parts = urlsplit(address)
    return (parts.hostname or "127.0.0.1") if parts.scheme in ("tcp", "http", "https") else "127.0.0.1"


async def wait_for_socket(socket: Path) -> None:
    """
    Raises:
        CannotRun: the simulator does not listen within START_TIMEOUT_S.
    """
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _listens(socket):
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise CannotRun(f"the simulator does not come up within {START_TIMEOUT_S:g} s") from error


async def _listens(socket: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True
