"""Several pollers as processes: one is killed, stopped, or paused. One feed, and it is right."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from funswarm.messages import PartHealth
from tests.pollers import World, world
from tests.servers import NatsServer, nats_server
from tests.waiting import until


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

    def its(answers: list[bytes]) -> list[PartHealth]:
        said = [PartHealth.model_validate_json(answer) for answer in answers]
        return [one for one in said if one.instance.endswith(f"-{child.pid}")]

    asked = swarm.bus.gather(swarm.bus.subjects.part_health, b"", 2.0, lambda answers: bool(its(answers)))
    return next(iter(its(await asked)), None)


async def is_active(swarm: World, child: asyncio.subprocess.Process) -> bool:
    health = await of(swarm, child)
    return health is not None and health.active and health.data_age_s is not None


async def is_standby(swarm: World, child: asyncio.subprocess.Process) -> bool:
    health = await of(swarm, child)
    return health is not None and not health.active


@asynccontextmanager
async def two(swarm: World):
    """Two pollers: the first is active, the second on standby."""
    async with process(swarm) as first:
        await until(lambda: is_active(swarm, first), "the first to be active")
        async with process(swarm) as second:
            await until(lambda: of(swarm, second), "the second to be there")
            yield first, second


async def test_a_killed_poller_is_replaced(swarm: World):
    async with two(swarm) as (first, _):
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await swarm.create("web", replicas=1)
        await swarm.seen("service", "web", "created")
        await swarm.right()


async def test_a_stopped_poller_hands_over(swarm: World):
    async with two(swarm) as (first, second):
        first.send_signal(signal.SIGTERM)
        await until(lambda: is_active(swarm, second), "the second to be active")
        assert await first.wait() == 0


async def test_a_paused_poller_cannot_spoil_the_feed(swarm: World):
    async with two(swarm) as (first, _):
        first.send_signal(signal.SIGSTOP)
        await swarm.create("web", replicas=2)
        await swarm.seen("service", "web", "created")
        await swarm.create("db", replicas=2)
        first.send_signal(signal.SIGCONT)
        await until(lambda: is_standby(swarm, first), "the paused one to know that it is no longer active")
        await swarm.seen("service", "db", "created")
        await swarm.right()


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
