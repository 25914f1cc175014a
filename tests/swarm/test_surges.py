"""Moving tasks by surges on the real Swarm of three nodes, with the stack on it."""

import pytest

from funswarm import Client
from funswarm.spec import ServiceSpec
from testbed import images
from tests import surging
from tests.swarm.conftest import Stack

pytestmark = pytest.mark.timeout(1800)


def spec(name: str, replicas: int) -> ServiceSpec:
    """Sleepers, which need nothing and stop at once, on any node."""
    sleep, image = ["sleep", "3600"], images.BUSYBOX.tag
    return ServiceSpec(
        name=name, image=image, args=sleep, replicas=replicas, stop_grace_period=1, endpoint_mode="dnsrr"
    )


def on_workers(name: str, replicas: int) -> ServiceSpec:
    """The manager, which has the stack's own tasks, is not to be drained."""
    return spec(name, replicas).model_copy(update={"constraints": ("node.role==worker",)})


async def test_a_surge_spreads_tasks_and_keeps_the_others(stack: Stack, client: Client):
    free = stack.swarm.nodes[2].name
    await surging.a_surge_spreads_tasks_and_keeps_the_others(client, spec, "surges", free)


async def test_a_surge_before_a_drain_leaves_no_moment_without_a_task(client: Client):
    await surging.a_surge_before_a_drain_leaves_no_moment_without_a_task(client, on_workers, "moves")


async def test_a_dry_run_foretells_where_tasks_run(client: Client):
    await surging.a_dry_run_foretells_where_tasks_run(client, on_workers, "foretold")


async def test_many_at_once_pile_up_as_foretold(stack: Stack, client: Client):
    free = (stack.swarm.nodes[1].name, stack.swarm.nodes[2].name)
    await surging.many_at_once_pile_up_as_foretold(client, spec, "piles", free)


async def test_the_stack_is_well_after_nodes_were_drained(stack: Stack):
    await stack.healthy()
    await stack.right()
