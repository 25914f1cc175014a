"""A real nats-server, a simulated Swarm, and schedulers: in this process, or as processes that can be killed."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from funswarm.client import Client
from funswarm.messages import PartHealth, Result
from funswarm.outcome import Accepted
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.scheduler import loop
from services.scheduler.convergence import DEFAULT_PATIENCE, Patience
from services.scheduler.settings import SchedulerSettings
from services.simulator.cluster import Cluster
from services.simulator.server import serve
from services.simulator.swarm import Settings
from tests.servers import free_port
from tests.waiting import until


class NatsServer:
    """A nats-server with JetStream on a free port of the loopback, its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        arguments = ["--addr", "127.0.0.1", "--port", str(self.port), "--jetstream", "--store_dir", str(self._folder)]
        assert binary is not None
        self._process = await asyncio.create_subprocess_exec(
            binary, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )

        def answers() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        await until(answers, "nats-server")

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


class Scene:
    """All of it; schedulers are started by name."""

    def __init__(self, nats: NatsServer, cluster: Cluster, host: str, client: Client) -> None:
        self.nats, self.cluster, self.host, self.client = nats, cluster, host, client
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._processes: list[asyncio.subprocess.Process] = []

    # Schedulers in this process.
    def start(self, name: str = "one", patience: Patience = DEFAULT_PATIENCE, policy: Path | None = None) -> None:
        stop = asyncio.Event()
        settings = SchedulerSettings(name, "1", patience=patience, admission_file=policy)
        work = loop.run_scheduler(NatsSettings(url=self.nats.url), EngineSettings(host=self.host), settings, stop)
        self._running[name] = (asyncio.create_task(work), stop)

    def start_poller(self) -> None:
        stop = asyncio.Event()
        work = run_poller(
            NatsSettings(url=self.nats.url), EngineSettings(host=self.host), PollerSettings("poller", "1"), stop
        )
        self._running["poller"] = (asyncio.create_task(work), stop)

    async def stop(self, name: str = "one") -> None:
        task, stop = self._running.pop(name)
        stop.set()
        await asyncio.wait_for(task, 60)

    # Schedulers as processes.
    async def spawn(self, module: str = "services.scheduler", **settings: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, "FUNSWARM_NATS_URL": self.nats.url, "DOCKER_HOST": self.host, **settings}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        self._processes.append(process)
        return process

    async def parts(self) -> tuple[PartHealth, ...]:
        with suppress(Exception):
            return await self.client.parts()
        return ()

    async def active(self) -> PartHealth:
        """Once one is, and answers requests, which begins a moment later."""

        async def find() -> PartHealth | None:
            parts = [part for part in await self.parts() if part.part == "scheduler"]
            await self.client._link.request(f"$SRV.PING.{loop.MICRO_NAME}", b"", 5.0)
            return next((part for part in parts if part.active), None)

        found = await until(find, "an active scheduler", every_s=0.1)
        assert found is not None
        return found

    # The Swarm.
    def service(self, name: str) -> Any:
        return self.cluster.store.find_by_name("service", name)

    def replicas(self, name: str) -> int:
        count: int = self.service(name).spec["Mode"]["Replicated"]["Replicas"]
        return count

    async def close(self) -> None:
        for name in list(self._running):
            await self.stop(name)
        for process in self._processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                await process.wait()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="fun-"))  # short: a socket's path has at most 107 characters
    nats = NatsServer(folder / "nats")
    try:
        await nats.start()
        bus = await Bus.connect(NatsSettings(url=nats.url), "tests")
        await bus.declare()
        await bus.close()
        cluster = Cluster(3, 1, settings=Settings(start_s=0.01))
        async with serve(cluster, str(folder / "s")) as simulator, Client(nats.url) as client:
            swarm = Scene(nats, cluster, simulator.host, client)
            try:
                yield swarm
            finally:
                await swarm.close()
    finally:
        await nats.kill()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def at_work() -> AsyncIterator[Scene]:
    """A scene with an active scheduler, and a poller."""
    async with scene() as running:
        running.start()
        await running.active()
        running.start_poller()
        yield running


def done(answer: Result | Accepted) -> Result:
    assert isinstance(answer, Result), f"not ended in time: {answer}"
    return answer
