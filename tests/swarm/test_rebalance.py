"""Rebalance and graceful drain on the real Swarm of three nodes, with the stack on it."""

import pytest

from funswarm import Client
from tests import rebalancing
from tests.swarm.conftest import Stack
from tests.swarm.test_surges import on_workers, spec

pytestmark = pytest.mark.timeout(1800)


async def test_a_command_spreads_tasks_over_free_nodes(stack: Stack, client: Client):
    free = (stack.swarm.nodes[1].name, stack.swarm.nodes[2].name)
    await rebalancing.a_command_spreads_tasks_over_free_nodes(client, spec, "evened", free=free, ends=[1, 1, 1])


async def test_a_graceful_drain_leaves_no_moment_without_a_task(client: Client):
    await rebalancing.a_graceful_drain_leaves_no_moment_without_a_task(client, on_workers, "drained")


async def test_the_stack_is_well_after_it(stack: Stack):
    await stack.healthy()
    await stack.right()
