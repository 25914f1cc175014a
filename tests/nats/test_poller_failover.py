"""Several pollers as processes: one is killed, one is paused, NATS goes away or refuses. One feed, and it is right."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import nats
import pytest
from nats.js.errors import APIError

from funswarm.messages import PartHealth
from tests.pollers import World, world
from tests.servers import NatsServer, nats_server
from tests.waiting import until

USERS = """
accounts {{ F {{ jetstream: {{ max_file: {store} }}, users: [
  {{ user: poller, password: p, permissions: {{ publish: {{ deny: "{denied}" }} }} }}
  {{ user: test, password: t }}
] }} }}
"""
ALLOWED = USERS.format(store="100MB", denied="nothing")
REFUSED = USERS.format(store="100MB", denied="limited.event.>")


@asynccontextmanager
async def limited(folder, extra: str):
    """A NATS with users of its own: the poller's may be refused, and there is an end to its storage."""
    with nats_server(folder, extra) as server:
        async with world(server.url, user="test", password="t", prefix="limited", events_max_bytes=10**6) as swarm:
            swarm.poller_nats = replace(swarm.nats, user="poller", password="p")
            yield server, swarm


async def said(swarm: World, words: str) -> str:
    """Waits until the poller's health says this; the whole reason."""

    async def reason() -> str:
        return next((one.reason or "" for one in await swarm.health() if words in (one.reason or "")), "")

    return await until(reason, f"the health to say {words!r}")


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


async def is_well(swarm: World) -> bool:
    return all(one.ok for one in await swarm.health())


async def is_active(swarm: World, child: asyncio.subprocess.Process) -> bool:
    health = await of(swarm, child)
    return health is not None and health.active and health.data_age_s is not None


async def one_is_active(swarm: World) -> bool:
    """Of two; which one, a loaded machine may change once more."""
    return [False, True] == sorted(one.active for one in await swarm.health(2))


async def test_a_killed_poller_is_replaced(swarm: World):
    async with process(swarm) as first:
        await until(lambda: is_active(swarm, first), "the first to be active")
        async with process(swarm) as second:
            await until(lambda: of(swarm, second), "the second to be there")
            first.send_signal(signal.SIGKILL)
            await swarm.create("web", replicas=1)
            await swarm.seen("service", "web", "created")
            await swarm.right()


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

            await until(lambda: of(swarm, first), "the paused one to answer")
            await until(lambda: one_is_active(swarm), "one active poller")


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
    async with limited(tmp_path, REFUSED) as (server, swarm), swarm.poller():
        reason = await said(swarm, "refuses")
        assert "limited.event." in reason
        assert "user poller" in reason

        server.reload(ALLOWED)
        await swarm.right()
        await until(lambda: is_well(swarm), "the poller to be well")


async def test_a_full_store_is_said_and_heals(tmp_path):
    async with limited(tmp_path, ALLOWED) as (server, swarm), swarm.poller():
        await swarm.right()
        junk = await nats.connect(server.url, user="test", password="t")
        await junk.jetstream().add_stream(name="JUNK", subjects=["junk"])
        for size in (1_000_000, 10_000, 100):
            with suppress(APIError):
                while True:
                    await junk.jetstream().publish("junk", b"x" * size)
        await swarm.create("web", replicas=2)
        reason = await said(swarm, "LIMITED_")
        assert "NATS says" in reason

        await junk.jetstream().delete_stream("JUNK")
        await junk.close()
        await swarm.right()
        await until(lambda: is_well(swarm), "the poller to be well")


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
