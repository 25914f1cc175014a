"""Rebalance and graceful drain, as users ask for them: by the SDK, on the real Swarm and on the simulated one."""

from collections import Counter
from contextlib import suppress

from funswarm import Client, Unavailable, check
from funswarm.state import NodeState
from tests.surging import DRY, PATIENCE_S, WAITS, Spec, Tasks, least_running, running
from tests.waiting import until


async def a_command_spreads_tasks_over_free_nodes(
    client: Client, spec: Spec, name: str, *, free: tuple[str, ...], ends: list[int]
) -> None:
    """`free`: nodes that get no task at first; `ends`: the numbers on all nodes, in order, at the end."""
    count = sum(ends)
    for node in free:
        check(await client.pause(node, how=WAITS))
    try:
        check(await client.create(spec(name, count), how=WAITS))
        before = await running(client, name, count)
    finally:
        for node in free:
            check(await client.activate(node, how=WAITS))
    foretold = check(await client.rebalance(name, how=DRY)).preview
    assert foretold is not None
    async with least_running(client, name) as counts:
        check(await client.rebalance(name, how=WAITS))
        after = await _spread(client, name, ends)
    assert ends == sorted(one.tasks for one in foretold.placements)
    assert count <= min(counts), counts
    stay = sum(min(number, Counter(after.values())[node]) for node, number in Counter(before.values()).items())
    assert stay == len(before.keys() & after.keys())


async def _spread(client: Client, name: str, ends: list[int]) -> Tasks:
    async def look() -> Tasks | None:
        with suppress(Unavailable):
            service = await client.service(name)
            marks = [label for label in service.labels if label.startswith("funswarm.rebalance.")]
            if not {"funswarm.rebalance.base", "funswarm.rebalance.now"} & {*marks}:
                tasks = await running(client, name, sum(ends))
                return tasks if sorted(Counter(tasks.values()).values()) == ends else None
        return None

    found = await until(look, f"tasks of {name} spread as {ends}", PATIENCE_S, 0.1)
    assert found is not None
    return found


async def a_graceful_drain_leaves_no_moment_without_a_task(client: Client, spec: Spec, name: str) -> None:
    """A service of one task, whose node is drained."""
    check(await client.create(spec(name, 1), how=WAITS))
    ((_, node),) = (await running(client, name, 1)).items()
    try:
        async with least_running(client, name) as counts:
            check(await client.drain(node, graceful=True, how=WAITS))
            await until(lambda: _is_over(client, name, node), f"{node} drained, and {name} as before", PATIENCE_S, 0.1)
            ((_, new_node),) = (await running(client, name, 1)).items()
    finally:
        check(await client.activate(node, how=WAITS))
    assert node != new_node
    assert 1 <= min(counts), counts


async def _is_over(client: Client, name: str, node: str) -> bool:
    with suppress(Unavailable):
        found: NodeState = next(one for one in await client.nodes() if one.name == node)
        service = await client.service(name)
        return (found.availability, service.replicas) == ("drain", 1) and "funswarm.drain.base" not in service.labels
    return False
