"""`make run`: checks the ground, finds an engine, starts NATS and the services, keeps them, ends them in order."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from services.settings import Settings, SettingsError, load, unknown
from services.supervisor import engines, nats_server
from services.supervisor.child import Child, Program
from services.supervisor.ground import CannotRun, must_be_free, take_folder
from services.supervisor.lines import of_service, prefixed
from services.supervisor.ready import wait_until_ready

PARTS: Final = ("poller", "scheduler", "notifier", "api")
NAME: Final = "funswarm"
WITHOUT_NETWORK: Final = '{"name": "service", "image": "nginx:latest"}'
NETWORK_WAY_OUT: Final = f"docker network create --driver overlay --attachable {engines.NETWORK}"
NATS_WAY_OUT: Final = (
    "to use the NATS that is there: make run NATS_URL=nats://127.0.0.1:4222; "
    "to start one on another port: make run FUNSWARM_NATS_PORT=4223"
)


def main() -> int:
    """Run until Ctrl-C; the exit code: 0 ended as asked, 1 could not run, 2 settings are wrong."""
    try:
        settings = load()
        for name in unknown():
            say(NAME, f"{name} is no setting of Funswarm: ignored")
        asyncio.run(_run(settings))
    except SettingsError as error:
        say(NAME, f"settings are wrong: {error}")
        return 2
    except CannotRun as error:
        say(NAME, f"cannot run: {error}")
        return 1
    return 0


def say(name: str, text: str) -> None:
    """One or more lines to the terminal, with the name of who says it. Nobody reads any more: we are to stop."""
    try:
        print(prefixed(name, text, colour=sys.stdout.isatty()), flush=True)  # noqa: T201
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        signal.raise_signal(signal.SIGTERM)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    found = await engines.find(settings)
    http_host = settings.http_host or nats_server.HOST
    lock = take_folder(settings.data_dir)
    must_be_free(http_host, settings.http_port, "choose another: make run FUNSWARM_HTTP_PORT=8485")
    if _own_nats(settings):
        must_be_free(nats_server.HOST, settings.nats_port, NATS_WAY_OUT)
    with tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        all_of_it = Everything(settings, found, http_host, lock, Path(folder))
        starting = asyncio.create_task(all_of_it.start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopping
        finally:
            starting.cancel()
            stopping.cancel()
            await all_of_it.stop()
            os.close(lock)


def _own_nats(settings: Settings) -> bool:
    return "nats_url" not in settings.model_fields_set


class Everything:
    """NATS, the engine or the simulator, and the services: started from the ground up, stopped the other way."""

    def __init__(
        self, settings: Settings, found: engines.Found | engines.Nothing, http_host: str, lock: int, sockets: Path
    ) -> None:
        self._settings = settings
        self._found = found
        self._lock = lock
        self._engine_socket = sockets / "engine.sock"
        self._ground: list[Child] = []
        self._parts: list[Child] = []
        self._env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "FUNSWARM_HTTP_HOST": http_host,
            "FUNSWARM_HTTP_PORT": str(settings.http_port),
        }
        self._http_host = http_host

    async def start(self) -> None:
        """Returns when the api says that all is ready.

        Raises:
            CannotRun: NATS or the simulator does not come up.
        """
        await self._start_nats()
        await self._start_engine()
        for part in PARTS:
            self._start(Program(part, (sys.executable, "-m", f"services.{part}"), self._env, of_service), self._parts)
        tls = self._settings.http_tls_cert is not None
        await wait_until_ready(self._http_host, self._settings.http_port, lambda text: say(NAME, text), tls=tls)

    async def stop(self) -> None:
        """First the services, so that they can say good-bye to NATS; then what they stand on."""
        say(NAME, "stopping")
        for children in (self._parts, self._ground):
            await asyncio.gather(*(child.stop() for child in children))
        say(NAME, f"stopped; the data stay in {self._settings.data_dir.resolve()}")

    async def _start_nats(self) -> None:
        settings, url = self._settings, self._settings.nats_url
        own = _own_nats(settings)
        if own:
            url = f"nats://{nats_server.HOST}:{settings.nats_port}"
            # The simulator's Swarm is another one: its events must not mix with a real one's.
            folder = settings.data_dir / ("nats" if isinstance(self._found, engines.Found) else "nats-simulator")
            self._start(nats_server.embedded(settings.nats_port, folder.resolve(), self._lock), self._ground)
        self._env["FUNSWARM_NATS_URL"] = url
        info = await nats_server.wait_until_up(url)
        whose = "started here" if own else "as NATS_URL says"
        say(NAME, f"NATS {info.get('version')} at {nats_server.hidden(url)}, {whose}")

    async def _start_engine(self) -> None:
        if not (isinstance(self._found, engines.Found) and self._found.has_network):
            self._env.setdefault("FUNSWARM_DEFAULT_SERVICE", WITHOUT_NETWORK)
        if isinstance(self._found, engines.Found):
            say(NAME, self._found.said)
            if not self._found.has_network:
                say(NAME, f"/create uses no network {engines.NETWORK}, because there is none: {NETWORK_WAY_OUT}")
            return
        say(NAME, f"!!! NO DOCKER ENGINE, ALL IS SIMULATED: this Swarm only pretends. Why: {self._found.why}")
        say(NAME, f"docker -H unix://{self._engine_socket} service ls  talks to the simulator")
        self._start(engines.simulator(self._engine_socket), self._ground)
        await engines.wait_for_socket(self._engine_socket)
        for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            self._env.pop(name, None)
        self._env["DOCKER_HOST"] = f"unix://{self._engine_socket}"
        self._env["FUNSWARM_SIMULATOR"] = "true"

    def _start(self, program: Program, among: list[Child]) -> None:
        child = Child(program, say)
        among.append(child)
        child.start()
