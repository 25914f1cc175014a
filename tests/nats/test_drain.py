"""Draining a node gracefully on a simulated Swarm of three nodes, over a real nats-server."""

import pytest

from funswarm import check
from funswarm.spec import ServiceSpec
from tests import rebalancing
from tests.nats.scheduler_scene import Scene
from tests.surging import PATIENCE_S, WAITS, running
from tests.waiting import until


@pytest.fixture
async def nodes(swarm: Scene) -> Scene:
    swarm.start_poller()
    return swarm


async def a_service(scene: Scene, replicas: int, **labels: str) -> str:
    """`web`; the name of a node with one of its tasks."""
    spec = ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": replicas, "labels": labels})
    check(await scene.client.create(spec, how=WAITS))
    return min((await running(scene.client, "web", replicas)).values())


def node_of(scene: Scene, name: str) -> dict[str, object]:
    spec: dict[str, object] = next(node.spec for node in scene.cluster.store.nodes.values() if node.hostname == name)
    return spec


async def over(scene: Scene, node: str, availability: str, replicas: int) -> None:
    """Once the node is so, and the service as it was."""
    await until(lambda: node_of(scene, node)["Availability"] == availability, f"{node} on {availability}", PATIENCE_S)
    unmarked = lambda: "funswarm.drain.base" not in scene.service("web").spec["Labels"]  # noqa: E731
    await until(lambda: scene.replicas("web") == replicas and unmarked(), "its base", PATIENCE_S)


async def test_a_service_of_one_task_is_never_without(nodes):
    spec = lambda name, replicas: ServiceSpec(name=name, image="nginx:1", replicas=replicas)  # noqa: E731
    await rebalancing.a_graceful_drain_leaves_no_moment_without_a_task(nodes.client, spec, "web")


async def test_a_node_without_tasks_is_drained(nodes):
    busy = await a_service(nodes, 1)
    free = min(one.hostname for one in nodes.cluster.store.nodes.values() if one.hostname != busy)
    check(await nodes.client.drain(free, graceful=True, how=WAITS))
    await over(nodes, free, "drain", 1)


async def test_a_node_that_is_activated_in_the_middle_keeps_its_tasks(nodes):
    node = await a_service(nodes, 3)
    before = await running(nodes.client, "web", 3)
    others = [one.hostname for one in nodes.cluster.store.nodes.values() if one.hostname != node]
    for other in others:  # so that nothing can run elsewhere
        check(await nodes.client.pause(other, how=WAITS))
    check(await nodes.client.drain(node, graceful=True, how=WAITS))
    await until(lambda: nodes.replicas("web") == 4, "a surge", PATIENCE_S)
    check(await nodes.client.activate(node, how=WAITS))
    await over(nodes, node, "active", 3)
    assert len(before) == len(await running(nodes.client, "web", 3))
