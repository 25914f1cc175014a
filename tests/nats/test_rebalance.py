"""Rebalancing on a simulated Swarm of three nodes, over a real nats-server."""

import json
from collections import Counter

import pytest

from funswarm import check
from funswarm.spec import ServiceSpec
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.bus.settings import NatsSettings
from tests import rebalancing
from tests.nats.scheduler_scene import Scene
from tests.surging import PATIENCE_S, WAITS, Tasks, least_running, running
from tests.waiting import until

QUICK = {"funswarm.rebalance": "true", "funswarm.rebalance.debounce": "100ms", "funswarm.rebalance.settle": "100ms"}


@pytest.fixture
async def nodes(swarm: Scene) -> Scene:
    swarm.start_poller()
    return swarm


def spec(name: str, replicas: int) -> ServiceSpec:
    labels = {"funswarm.rebalance.settle": "100ms"}
    return ServiceSpec(name=name, image="nginx:1", replicas=replicas, labels=labels)


async def remembered(scene: Scene) -> bool:
    """Whether the policy has seen the service: what comes then is new."""
    bus = await Bus.connect(NatsSettings(url=scene.nats.url), "tests")
    try:
        kept = await PolicyBucket(bus).memories()
        return any("rebalance" in json.loads(one.body)["memories"] for one in kept)
    finally:
        await bus.close()


async def on_one_node(scene: Scene, labels: dict[str, str], count: int) -> Tasks:
    """A service whose tasks are all on one node; the others get tasks again."""
    _, *free = names = sorted(node.hostname for node in scene.cluster.store.nodes.values())
    for node in free:
        check(await scene.client.pause(node, how=WAITS))
    spec = ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": count, "labels": labels})
    check(await scene.client.create(spec, how=WAITS))
    before = await running(scene.client, "web", count)
    assert {names[0]} == {*before.values()}
    if "funswarm.rebalance" in labels:
        await until(lambda: remembered(scene), "the nodes that it is spread over", PATIENCE_S)
    for node in free:
        check(await scene.client.activate(node, how=WAITS))
    return before


async def evened_out(scene: Scene, each: list[int]) -> Tasks:
    """Once the tasks are spread so, and the service is as it was before."""
    total = sum(each)

    def unmarked() -> bool:
        labels = scene.service("web").spec["Labels"]
        return not any(label.startswith(("funswarm.rebalance.base", "funswarm.rebalance.now")) for label in labels)

    async def look() -> Tasks | None:
        tasks = await running(scene.client, "web", total) if unmarked() and scene.replicas("web") == total else {}
        return tasks if sorted(Counter(tasks.values()).values()) == each else None

    found = await until(look, f"tasks spread as {each}", PATIENCE_S, 0.1)
    assert found is not None
    return found


async def test_nodes_that_come_get_their_share_and_no_task_too_few_runs_meanwhile(nodes):
    before = await on_one_node(nodes, QUICK, 6)
    async with least_running(nodes.client, "web") as counts:
        after = await evened_out(nodes, [2, 2, 2])
    assert 6 <= min(counts), counts
    assert 2 == len(before.keys() & after.keys())


async def test_a_command_spreads_tasks_over_free_nodes(nodes):
    _, *free = sorted(node.hostname for node in nodes.cluster.store.nodes.values())
    story = rebalancing.a_command_spreads_tasks_over_free_nodes
    await story(nodes.client, spec, "web", free=(free[0], free[1]), ends=[2, 2, 2])


async def test_a_scheduler_that_takes_over_in_the_middle_ends_it(nodes):
    await on_one_node(nodes, {**QUICK, "funswarm.rebalance.settle": "2s"}, 3)
    await until(lambda: nodes.replicas("web") > 3, "a surge", PATIENCE_S)
    await nodes.stop()
    nodes.start("two")
    await evened_out(nodes, [1, 1, 1])
