"""A real Swarm of three nodes with the stack deployed on it, once for all tests that want it.

When one of these fails, the report shows how the stack is at that moment: tasks, logs, containers, ports.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest

from funswarm import Client, Unavailable
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from testbed import deploy, health, images
from testbed import engine as host_engine
from testbed import swarm as testbed_swarm
from testbed.deploy import Deployment
from testbed.engine import remove_stack
from testbed.node import Node
from testbed.shell import SetupError, say
from testbed.swarm import Swarm
from tests.checker import problems_of
from tests.report import ran_against
from tests.waiting import until

# Always the same: what a killed run has left goes away with the next.
NAME = "funswarm-test"
RIGHT_S = 180.0


@dataclass(frozen=True, slots=True)
class Stack:
    """The deployed stack and its Swarm."""

    swarm: Swarm
    at: Deployment

    @property
    def as_admin(self) -> dict[str, str]:
        """The header of who may do everything."""
        return {"Authorization": f"Bearer {self.at.http_token}"}

    def client(self) -> Client:
        """The SDK, over the port that NATS publishes."""
        return Client(url=self.at.nats_url, user=self.at.nats_user, password=self.at.nats_password)

    async def healthy(self) -> None:
        """Returns when every node's api says that all is well."""
        await asyncio.to_thread(health.wait_until_healthy, self.swarm, self.at.http_token)

    async def right(self) -> None:
        """Returns when the whole feed, the state bucket and the Swarm agree: nothing lost, nothing invented."""
        nats = NatsSettings(url=self.at.nats_url, user=self.at.nats_user, password=self.at.nats_password)
        await until_right(nats, self.swarm.manager)


async def until_right(nats: NatsSettings, node: Node) -> None:
    """Returns when the feed on that NATS agrees with itself, its bucket, and the Swarm as that manager knows it."""
    bus = await Bus.connect(nats, "test")
    engine = await Engine.connect(EngineSettings(host=node.host))
    last: list[str] = []

    async def agreed() -> bool:
        try:
            last[:] = await problems_of(bus, engine)
        except Unavailable as error:
            last[:] = [str(error)]
        return not last

    try:
        await until(agreed, "the feed to be right", RIGHT_S, 0.5)
    except AssertionError as error:
        raise AssertionError("\n".join(last[:20])) from error
    finally:
        await engine.close()
        await bus.close()


@pytest.fixture(scope="session")
def swarm() -> Iterator[Swarm]:
    engine = host_engine.start()
    images.ensure(engine)
    made = testbed_swarm.up(NAME, nodes=3, managers=1, fresh=True)
    version = made.manager.docker("version", "--format", "{{.Server.Version}}")
    ran_against("swarm", f"real Swarms of 3 nodes (dockerd {version}) on dockerd {engine.version}")
    try:
        yield made
    finally:
        take_down(made)


def take_down(made: Swarm) -> None:
    """Remove it. What cannot be removed in time is no failure of a test, and goes away with the next run."""
    try:
        testbed_swarm.down(made)
    except SetupError as error:
        say(f"something of the Swarm {made.name} is left: {error}")


def remove(made: Swarm, stack: str) -> None:
    """Remove a stack of a test's own; what takes too long goes with the Swarm."""
    try:
        remove_stack(made.manager.host, stack)
    except SetupError as error:
        say(f"something of the stack {stack} is left: {error}")


@pytest.fixture(scope="session")
def stack(swarm: Swarm) -> Stack:
    return Stack(swarm, deploy.deploy_local(swarm))


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.at.http_urls[0], headers=stack.as_admin, timeout=60) as http:
        yield http


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        try:
            report.sections.append(("the stack", health.explain(stack.swarm)))
        except SetupError as error:  # it is taken down already
            report.sections.append(("the stack", str(error)))
    return report
