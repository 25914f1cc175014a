"""A simulated Swarm with its poller, and notifiers as processes of their own that tell receivers on the loopback."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

import httpx

from services.notifier.docker_flow.server import BASE
from tests.pollers import World, world
from tests.receiver import Asked, Receiver
from tests.servers import free_port
from tests.waiting import until

OPTED = {"com.df.notify": "true"}
QUICK = {"DF_RETRY_INTERVAL": "1", "FUNSWARM_DOCKER_FLOW_RETRY_MAX_S": "1"}


class Notifier:
    """One process; `port` is its API's."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def get(self, path: str) -> httpx.Response:
        """Once it listens."""

        async def answered() -> httpx.Response | None:
            with suppress(httpx.ConnectError):
                async with httpx.AsyncClient(timeout=60) as http:
                    return await http.get(f"http://127.0.0.1:{self.port}{path}")
            return None

        answer = await until(answered, f"an answer to {path}")
        assert answer is not None
        return answer

    async def listed(self, what: str) -> list[dict[str, str]]:
        """Waits until it knows all."""

        async def answered() -> httpx.Response | None:
            with suppress(httpx.HTTPError):
                answer = await self.get(f"{BASE}/get-{what}")
                return answer if answer.status_code == 200 else None
            return None

        answer = await until(answered, f"the list of {what}", every_s=0.1)
        assert answer is not None
        found: list[dict[str, str]] = answer.json()
        return found

    async def told_all(self) -> httpx.Response:
        """The answer, once a copy that is active tells all services again."""

        async def answered() -> httpx.Response | None:
            answer = await self.get(f"{BASE}/notify-services")
            return answer if answer.status_code == 200 else None

        answer = await until(answered, "all services to be told again", every_s=0.5)
        assert answer is not None
        return answer

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM is a clean stop, SIGKILL a crash."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


class Scene:
    """`swarm` has a poller while the scene lasts."""

    def __init__(self, swarm: World) -> None:
        self.swarm = swarm
        self._notifiers: list[Notifier] = []

    async def notifier(self, to: Receiver | None = None, **environ: str) -> Notifier:
        """Started, not yet active. `to`: who is told of services, with Docker Flow Proxy's paths."""
        known = {name: value for name, value in os.environ.items() if not name.startswith(("DF_", "FUNSWARM_"))}
        port, nats = free_port(), self.swarm.nats
        own = {"FUNSWARM_NATS_URL": nats.url, "FUNSWARM_PREFIX": nats.prefix, "FUNSWARM_DOCKER_FLOW_PORT": str(port)}
        urls = {
            "DF_NOTIFY_CREATE_SERVICE_URL": f"{to.url}/reconfigure",
            "DF_NOTIFY_REMOVE_SERVICE_URL": f"{to.url}/remove",
        } if to else {}  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notifier", env=known | own | QUICK | urls | environ
        )
        made = Notifier(process, port)
        self._notifiers.append(made)
        return made

    async def create(self, name: str, *, replicas: int = 1, **df: str) -> str:
        """A service that opted in; its id."""
        return await self.swarm.create(name, replicas, Labels=labels(**df))

    async def close(self) -> None:
        for notifier in self._notifiers:
            await notifier.end(signal.SIGKILL)


@asynccontextmanager
async def scene(nats_url: str, poller: dict[str, Any] | None = None, **nats: Any) -> AsyncIterator[Scene]:
    """`poller`: who it is at NATS, where it is another than the test."""
    async with world(nats_url, **nats) as swarm:
        swarm.poller_nats = replace(swarm.nats, **poller or {})
        async with swarm.poller():
            await swarm.active()
            made = Scene(swarm)
            try:
                yield made
            finally:
                await made.close()


def labels(**df: str) -> dict[str, str]:
    """Of a service that opted in."""
    return OPTED | {f"com.df.{name}": value for name, value in df.items()}


def told(receiver: Receiver, name: str) -> list[Asked]:
    """What it was asked about a service."""
    return [asked for asked in receiver.asked if asked.parameters.get("serviceName") == name]


def paths(receiver: Receiver, name: str) -> list[str]:
    return [asked.path for asked in told(receiver, name)]


async def has_told(proxy: Receiver, name: str, *expected: str) -> None:
    """Waits until it was asked for these one after the other; each may have come more often: that is right, too."""
    wanted = _runs(expected)

    def has() -> bool:
        found = _runs(paths(proxy, name))
        return [path for path, _ in wanted] == [path for path, _ in found] and all(
            often <= more for (_, often), (_, more) in zip(wanted, found, strict=True)
        )

    await until(has, f"{name}: {expected}")


def _runs(paths: Iterable[str]) -> list[tuple[str, int]]:
    """How often in a row each came."""
    return [(path, len(list(again))) for path, again in groupby(paths)]
