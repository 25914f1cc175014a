"""Several pollers as processes: one is killed, one is paused, NATS goes away or refuses. One feed, and it is right."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager

import pytest

from funswarm.messages import PartHealth
from services.bus.settings import NatsSettings
from tests.pollers import World, world
from tests.servers import NatsServer, nats_server
from tests.waiting import until

USERS = """
accounts {{ F {{ jetstream: enabled, users: [
  {{ user: poller, password: p, permissions: {{ publish: {{ deny: "{prefix}.event.>" }} }} }}
  {{ user: test, password: t }}
] }} }}
"""


@pytest.fixture
def server(tmp_path):
    with nats_server(tmp_path) as one:
        yield one


@pytest.fixture
async def swarm(server: NatsServer):
    async with world(server.url) as one:
        yield one


@asynccontextmanager
async def process(swarm: World, **variables):
    """A poller as a process of its own; killed at the end if it still runs."""
    environment = os.environ | {
        "FUNSWARM_PREFIX": swarm.nats.prefix,
        "NATS_URL": swarm.nats.url,
        "DOCKER_HOST": swarm.simulator.host,
        "FUNSWARM_LIST_SHARE": "0.2",
        **variables,
    }
    command = [sys.executable, "-m", "services.poller"]
    child = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def of(swarm: World, child: asyncio.subprocess.Process) -> PartHealth | None:
    """What this process says of itself."""
    return next((one for one in await swarm.health(2) if one.instance.endswith(f"-{child.pid}")), None)


async def is_active(swarm: World, child: asyncio.subprocess.Process) -> bool:
    health = await of(swarm, child)
    return health is not None and health.active and health.data_age_s is not None


async def test_a_killed_poller_is_replaced(swarm: World):
    async with process(swarm) as first:
        await until(lambda: is_active(swarm, first), "the first to be active")
        async with process(swarm) as second:
            await until(lambda: of(swarm, second), "the second to be there")
            first.send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            await swarm.create("web", replicas=1)
            await swarm.seen("service", "web", "created")
            took_s = time.monotonic() - killed_at
            await swarm.right()

    assert took_s < 15  # about 5 on a quiet machine


async def test_a_stopped_poller_hands_over_at_once(swarm: World):
    async with process(swarm) as first:
        await until(lambda: is_active(swarm, first), "the first to be active")
        async with process(swarm) as second:
            await until(lambda: of(swarm, second), "the second to be there")
            first.send_signal(signal.SIGTERM)
            await until(lambda: is_active(swarm, second), "the second to be active")

            assert await first.wait() == 0


async def test_a_paused_poller_cannot_spoil_the_feed(swarm: World):
    async with process(swarm) as first:
        await until(lambda: is_active(swarm, first), "the first to be active")
        async with process(swarm) as second:
            await until(lambda: of(swarm, second), "the second to be there")
            first.send_signal(signal.SIGSTOP)
            await swarm.create("web", replicas=2)
            await swarm.seen("service", "web", "created")
            first.send_signal(signal.SIGCONT)
            await swarm.create("db", replicas=2)
            await swarm.seen("service", "db", "created")
            await swarm.right()

            assert await until(lambda: of(swarm, first), "the paused one to answer")
            assert not await is_active(swarm, first)


async def test_the_feed_goes_on_after_nats_was_away(swarm: World, server: NatsServer):
    async with swarm.poller():
        await swarm.active()
        server.kill()
        service_id = await swarm.create("web", replicas=2)
        await swarm.create("gone", replicas=1)
        await swarm.scale(service_id, 3)
        server.start()
        await swarm.seen("service", "gone", "created")
        await swarm.right()


async def test_a_refused_publish_is_said_and_heals(tmp_path):
    server = NatsServer(tmp_path, USERS.format(prefix="refused"))
    server.start()
    nats = NatsSettings(url=server.url, user="poller", password="p", prefix="refused")
    try:
        async with world(server.url, user="test", password="t", prefix="refused") as swarm:
            swarm.poller_nats = nats
            async with swarm.poller():

                async def said() -> str:
                    return next(
                        (one.reason or "" for one in await swarm.health() if "refuses" in (one.reason or "")), ""
                    )

                reason = await until(said, "the reason")
    finally:
        server.kill()

    assert "refused.event." in reason
    assert "user poller" in reason


async def test_its_log_is_json(swarm: World):
    environment = os.environ | {"FUNSWARM_PREFIX": swarm.nats.prefix, "NATS_URL": "nats://127.0.0.1:1"}
    environment |= {"FUNSWARM_NATS_CONNECT_TIMEOUT_S": "0.5", "DOCKER_HOST": swarm.simulator.host}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.poller", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await child.communicate()
    lines = [json.loads(line) for line in said.splitlines()]

    assert child.returncode == 1
    assert "127.0.0.1:1" in lines[-1]["reason"]
