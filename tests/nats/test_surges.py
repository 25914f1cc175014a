"""Moving tasks by surges on a simulated Swarm of three nodes, over a real nats-server."""

import pytest

from funswarm.spec import ServiceSpec
from tests import surging
from tests.nats.scheduler_scene import Scene


@pytest.fixture
async def nodes(swarm: Scene) -> Scene:
    swarm.start_poller()
    return swarm


def spec(name: str, replicas: int) -> ServiceSpec:
    return ServiceSpec(name=name, image="nginx:1", replicas=replicas)


def a_node(swarm: Scene) -> str:
    return max(node.hostname for node in swarm.cluster.store.nodes.values())


async def test_a_surge_spreads_tasks_and_keeps_the_others(nodes):
    await surging.a_surge_spreads_tasks_and_keeps_the_others(nodes.client, spec, "web", a_node(nodes))


async def test_a_surge_before_a_drain_leaves_no_moment_without_a_task(nodes):
    await surging.a_surge_before_a_drain_leaves_no_moment_without_a_task(nodes.client, spec, "web")


async def test_a_dry_run_foretells_where_tasks_run(nodes):
    await surging.a_dry_run_foretells_where_tasks_run(nodes.client, spec, "web")


async def test_many_at_once_pile_up_as_foretold(nodes):
    _, *free = sorted(node.hostname for node in nodes.cluster.store.nodes.values())
    await surging.many_at_once_pile_up_as_foretold(nodes.client, spec, "web", (free[0], free[1]))
