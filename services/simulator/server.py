"""Serves a simulated Swarm over a unix socket (or TCP), drives its clock, and can be in-process for tests.

`async with serve(Cluster(), "/tmp/engine.sock") as simulator:` in asyncio; `with running(Cluster(), …)` for synchronous
code: a thread with a loop of its own. I/O: the socket, the loop's timers.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from services.simulator import faults as fault
from services.simulator.cluster import Cluster
from services.simulator.faults import Faults
from services.simulator.http import Connection
from services.simulator.routes import app

T = TypeVar("T")

_START_S = 30.0


class Simulator:
    """A cluster being served. `host` is what DOCKER_HOST wants."""

    def __init__(self, cluster: Cluster, socket_path: str, tcp: tuple[str, int] | None, faults: Faults) -> None:
        self.cluster = cluster
        self.host = f"unix://{socket_path}"
        self.faults = faults
        self.on_faults: list[Callable[[], None]] = []
        """Called after each change of the faults, and before a restart."""
        self._socket_path, self._tcp = socket_path, tcp
        self._app = app(cluster, self)
        self._chance = random.Random(0)  # noqa: S311 - faults, not secrets; the same each time
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    # -- what goes wrong -----------------------------------------------------------------------------------------

    def set_faults(self, faults: Faults) -> None:
        """Misbehave so from now on."""
        self.faults = faults
        for told in list(self.on_faults):
            told()

    def restart_soon(self, down_s: float) -> None:
        """Drop all connections, and refuse new ones for so long."""
        task = self._loop.create_task(self.restart(down_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def restart(self, down_s: float) -> None:
        """The engine goes away and comes back after `down_s` seconds: its event ring is lost, tasks ran on."""
        await asyncio.sleep(0.01)  # lets the call that asked for it have its answer
        await self.stop_listening()
        self.cluster.events.forget()
        await asyncio.sleep(down_s)
        await self.listen()

    # -- serving -------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Take connections."""
        self._servers.append(await asyncio.start_unix_server(self._connected, self._socket_path))
        if self._tcp:
            host, port = self._tcp
            self._servers.append(await asyncio.start_server(self._connected, host, port))

    async def stop_listening(self) -> None:
        """Refuse connections and cut those that there are."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for connection in list(self._connections):
            connection.abort()
        for server in servers:
            await server.wait_closed()
        Path(self._socket_path).unlink(missing_ok=True)  # noqa: ASYNC240 - one call, on a local path

    async def close(self) -> None:
        """Stop for good."""
        self.cluster.agenda.wake = lambda: None
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await self.stop_listening()
        async with asyncio.timeout(_START_S):
            while self._connections:
                await asyncio.sleep(0.01)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._app, lambda: self.faults, self._chance)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    # -- the clock -----------------------------------------------------------------------------------------------

    def drive(self) -> None:
        """Run the cluster's agenda on this loop from now on."""
        self.cluster.agenda.wake = self._arm
        self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        due = self.cluster.agenda.next_due()
        self._timer = None
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - self.cluster.agenda.clock.now()), self._run)

    def _run(self) -> None:
        try:
            self.cluster.agenda.run_due()
        finally:
            self._arm()

    # -- from other threads --------------------------------------------------------------------------------------

    def call(self, function: Callable[[Cluster], T]) -> T:
        """Do something to the cluster from another thread than the server's, and wait for it."""

        async def run() -> T:
            return function(self.cluster)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_S)


@contextlib.asynccontextmanager
async def serve(
    cluster: Cluster, socket_path: str, *, tcp: tuple[str, int] | None = None, faults: Faults = fault.NONE
) -> AsyncIterator[Simulator]:
    """Serve a cluster on this loop for as long as the context lasts. `tcp`: an address to listen on as well."""
    simulator = Simulator(cluster, socket_path, tcp, faults)
    simulator.drive()
    await simulator.listen()
    try:
        yield simulator
    finally:
        await simulator.close()


@contextlib.contextmanager
def running(cluster: Cluster, socket_path: str, *, faults: Faults = fault.NONE) -> Iterator[Simulator]:
    """Serve a cluster in a thread of its own: for synchronous tests. Touch the cluster by `simulator.call` only."""
    started: list[Simulator | BaseException] = []
    ready, loops = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def main() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        async with serve(cluster, socket_path, faults=faults) as simulator:
            started.append(simulator)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised again where it can be seen
            started.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    assert ready.wait(_START_S), f"the simulator did not start within {_START_S:g} s"
    first = started[0]
    if isinstance(first, BaseException):
        raise first
    try:
        yield first
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(_START_S)
