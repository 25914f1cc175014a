"""Rebalance and graceful drain on a real Swarm of four nodes, sampled at the engine; the scheduler is the tests'."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from funswarm import check
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from testbed import engine as host_engine
from testbed import images
from testbed import swarm as testbed_swarm
from testbed.swarm import Swarm
from tests.nats.scheduler_scene import Scene, scene
from tests.nats.test_rebalance import remembered
from tests.report import ran_against
from tests.surging import PATIENCE_S, WAITS, running
from tests.swarm.conftest import take_down
from tests.swarm.test_surges import spec
from tests.waiting import until

pytestmark = pytest.mark.timeout(1800)

NAME = "funswarm-test-four"
SAMPLE_S = 0.05
QUICK = {"funswarm.rebalance": "true", "funswarm.rebalance.debounce": "1s", "funswarm.rebalance.settle": "1s"}


@pytest.fixture(scope="module")
def four() -> Iterator[Swarm]:
    images.ensure(host_engine.start())
    made = testbed_swarm.up(NAME, nodes=4, managers=1, fresh=True)
    ran_against("swarm", "a Swarm of 4 nodes")
    try:
        testbed_swarm.load(made, (images.BUSYBOX.tag,))
        yield made
    finally:
        take_down(made)


@pytest.fixture
async def at(four: Swarm) -> AsyncIterator[Scene]:
    async with scene() as running:
        running.host = four.manager.host
        running.start()
        await running.active()
        running.start_poller()
        yield running


@pytest.fixture
async def engine(four: Swarm) -> AsyncIterator[Engine]:
    engine = await Engine.connect(EngineSettings(host=four.manager.host))
    yield engine
    await engine.close()


@asynccontextmanager
async def sampled(engine: Engine, service_id: str) -> AsyncIterator[list[int]]:
    """How many tasks of the service run, as the engine says, again and again until the block ends."""
    counts: list[int] = []

    async def sample() -> None:
        while True:
            counts.append(sum(task.state == "running" for task in await engine.tasks(service_id)))
            await asyncio.sleep(SAMPLE_S)

    sampling = asyncio.create_task(sample())
    try:
        await until(lambda: counts, "a sample", PATIENCE_S)
        yield counts
        assert not sampling.done(), sampling
    finally:
        sampling.cancel()
        await asyncio.wait({sampling})


async def pause(at: Scene, names: list[str]) -> None:
    for name in names:
        check(await at.client.pause(name, how=WAITS))


async def activate(at: Scene, names: list[str]) -> None:
    for name in names:
        check(await at.client.activate(name, how=WAITS))


async def over(at: Scene, engine: Engine, service_id: str, node: str, availability: str) -> None:
    """Once the node is so, and the service is marked no more."""

    async def look() -> bool:
        found = [one.availability for one in await at.client.nodes() if one.name == node]
        service = await engine.service_json(service_id)
        return (
            found == [availability] and service is not None and "funswarm.drain.base" not in service["Spec"]["Labels"]
        )

    await until(look, f"{node} on {availability}, and the service as before", PATIENCE_S, 0.1)


async def test_twelve_tasks_on_one_node_are_spread_over_three_that_come(at: Scene, engine: Engine, four: Swarm):
    others = [node.name for node in four.nodes[1:]]
    await pause(at, others)
    wanted = spec("spread", 12).model_copy(update={"labels": QUICK})
    service_id = check(await at.client.create(wanted, how=WAITS)).service_id
    before = await running(at.client, "spread", 12)
    assert service_id is not None
    assert {four.manager.name: 12} == Counter(before.values())

    await until(lambda: remembered(at), "the nodes that it is spread over", PATIENCE_S)
    async with sampled(engine, service_id) as counts:
        await activate(at, others)

        async def spread() -> bool:
            service = await engine.service_json(service_id)
            assert service is not None
            if "funswarm.rebalance.base" in service["Spec"]["Labels"]:
                return False
            return [3, 3, 3, 3] == [*Counter((await running(at.client, "spread", 12)).values()).values()]

        await until(spread, "three tasks on each", PATIENCE_S, 0.2)
    after = await running(at.client, "spread", 12)
    assert 12 <= min(counts), counts
    assert 3 == len(before.keys() & after.keys())
    check(await at.client.remove("spread", how=WAITS))


async def test_a_drain_leaves_no_moment_without_the_only_task(at: Scene, engine: Engine, four: Swarm):
    service_id = check(await at.client.create(spec("single", 1), how=WAITS)).service_id
    assert service_id is not None
    ((_, node),) = (await running(at.client, "single", 1)).items()
    try:
        async with sampled(engine, service_id) as counts:
            check(await at.client.drain(node, graceful=True, how=WAITS))
            await over(at, engine, service_id, node, "drain")
            ((_, new_node),) = (await running(at.client, "single", 1)).items()
    finally:
        await activate(at, [node])
    assert node != new_node
    assert 1 <= min(counts), counts
    check(await at.client.remove("single", how=WAITS))


async def test_a_drain_that_is_ended_in_the_middle_leaves_all_as_before(at: Scene, engine: Engine, four: Swarm):
    service_id = check(await at.client.create(spec("ended", 1), how=WAITS)).service_id
    assert service_id is not None
    before = await running(at.client, "ended", 1)
    (node,) = before.values()
    others = [one.name for one in four.nodes if one.name != node]
    await pause(at, others)  # so that nothing can run elsewhere
    try:
        async with sampled(engine, service_id) as counts:
            check(await at.client.drain(node, graceful=True, how=WAITS))
            await until(lambda: surged(engine, service_id), "a surge", PATIENCE_S)
            await activate(at, [node])
            await over(at, engine, service_id, node, "active")
            after = await running(at.client, "ended", 1)
    finally:
        await activate(at, [node, *others])
    assert (1, 1) == (min(counts), len(after))
    check(await at.client.remove("ended", how=WAITS))


async def surged(engine: Engine, service_id: str) -> bool:
    service = await engine.service_json(service_id)
    return service is not None and "funswarm.drain.base" in service["Spec"]["Labels"]
