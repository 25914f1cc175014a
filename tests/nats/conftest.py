"""A nats-server for the tests of this folder: one of their own to break, or a shared one with a prefix for each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from funswarm.client import Client
from funswarm.errors import FunswarmError
from funswarm.spec import ServiceSpec
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.settings import NatsSettings
from services.bus.streams import streams
from tests.nats import docker_flow_scene
from tests.nats.scheduler_scene import Scene, scene
from tests.receiver import Receiver, receiver
from tests.report import ran_against
from tests.servers import NatsServer, nats_server

PASSWORDS = {user: f"p-{user}" for user in ("poller", "scheduler", "notifier", "api", "client", "reader", "agent")}
_numbers = count()
Connect = Callable[..., Awaitable[Bus]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in this process bears it where it, or NATS, stands still for seconds: it keeps leases and connections,
    and waits for answers. A stop gives leases back at once.

    Processes of their own have the real bounds, and so has test_lease.py.
    """
    monkeypatch.setattr("services.bus.lease.TTL_S", 15)
    monkeypatch.setattr("funswarm.access.PING_INTERVAL_S", 5)
    for bound in ("bus.link._BARRIER_TIMEOUT_S", "bus.jetstream.API_TIMEOUT_S"):
        monkeypatch.setattr(f"services.{bound}", 15.0)
    for bound in ("jetstream.API_TIMEOUT_S", "querying.QUERY_TIMEOUT_S"):
        monkeypatch.setattr(f"funswarm.{bound}", 15.0)


@pytest.fixture
def nats(tmp_path) -> Iterator[NatsServer]:
    """A server of the test's own: it may kill, stop, pause and start it again."""
    with nats_server(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def shared_nats(tmp_path_factory) -> Iterator[NatsServer]:
    """A server that stays up for the whole run."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A function: the Bus of a server, with settings' fields by name; it is closed at the end."""
    buses: list[Bus] = []

    async def connected(server: NatsServer, **settings) -> Bus:
        bus = await Bus.connect(NatsSettings(url=server.url, **settings), "test")
        buses.append(bus)
        ran_against("nats", f"nats-server {bus.link.server_version}")
        return bus

    yield connected
    for bus in buses:
        await bus.close()


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test has."""
    return f"bus{next(_numbers)}"


@pytest.fixture
async def bus(shared_nats: NatsServer, connect: Connect, prefix: str) -> AsyncIterator[Bus]:
    """Connected to the shared server, with streams of its own; gone at the end: they reserve room on disk."""
    bus = await connect(shared_nats, prefix=prefix)
    await bus.declare()
    yield bus
    for config in streams(bus.subjects, bus.settings):
        with suppress(FunswarmError):
            await call(bus.link, f"STREAM.DELETE.{config['name']}")


@pytest.fixture
async def own_bus(nats: NatsServer, connect: Connect) -> Bus:
    """Connected to the test's own server, with its streams."""
    bus = await connect(nats)
    await bus.declare()
    return bus


@pytest.fixture
async def client(bus: Bus) -> AsyncIterator[Client]:
    """Connected to the shared server, beside `bus`."""
    async with Client(bus.settings.url, prefix=bus.settings.prefix) as client:
        yield client


@pytest.fixture
async def own_client(own_bus: Bus) -> AsyncIterator[Client]:
    """Connected to the test's own server."""
    async with Client(own_bus.settings.url) as client:
        yield client


@pytest.fixture
async def idle_swarm() -> AsyncIterator[Scene]:
    """A simulated Swarm with a nats-server of its own, and nothing that runs yet."""
    async with scene() as made:
        yield made


@pytest.fixture
async def swarm(idle_swarm: Scene) -> Scene:
    """With a scheduler that is active."""
    idle_swarm.start()
    await idle_swarm.active()
    return idle_swarm


@pytest.fixture
async def running(swarm: Scene) -> Scene:
    """With a service `web`, too."""
    await swarm.client.create(ServiceSpec(name="web", image="nginx"))
    return swarm


@pytest.fixture
async def swarm_bus(idle_swarm: Scene, connect: Connect) -> Bus:
    """Connected to the Swarm's nats-server."""
    return await connect(idle_swarm.nats)


@pytest.fixture
async def secured(tmp_path: Path, connect: Connect) -> AsyncIterator[Callable[[str], Awaitable[Bus]]]:
    """A function: the bus of a user, on a server with the stack's configuration."""
    with nats_server(tmp_path, passwords=PASSWORDS) as server:

        async def of(user: str) -> Bus:
            return await connect(server, user=user, password=PASSWORDS[user])

        await (await of("poller")).declare()
        yield of


@pytest.fixture
def proxy() -> Iterator[Receiver]:
    """A receiver of notifications."""
    with receiver() as made:
        yield made


@pytest.fixture
def second() -> Iterator[Receiver]:
    """Another one."""
    with receiver() as made:
        yield made


@pytest.fixture
async def flow(shared_nats: NatsServer) -> AsyncIterator[docker_flow_scene.Scene]:
    """A simulated Swarm with its poller; notifiers for Docker Flow are started in it."""
    async with docker_flow_scene.scene(shared_nats.url) as made:
        yield made
