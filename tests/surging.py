"""Moving tasks by surges, with commands only: what `scale`, `pause` and `drain` do on a Swarm of several nodes.

The same on the real Swarm (tests/swarm) and on the simulated one (tests/nats). SwarmKit gives a new task to the node
with the fewest of its service, and takes away first what is most on one node: so more, and then less again, moves tasks
to where there are none, and those that run go on.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from funswarm import Changed, Client, SnapshotEnd, Snapshotted, Unavailable, check
from funswarm.how import How
from funswarm.messages import Preview
from funswarm.spec import ServiceSpec
from funswarm.state import TaskState
from tests.waiting import until

PATIENCE_S = 240.0
WAITS = How(wait_s=PATIENCE_S)
DRY = How(wait_s=PATIENCE_S, dry_run=True)

Tasks = dict[str, str]  # id -> node of each that runs and shall
Spec = Callable[[str, int], ServiceSpec]  # of a name, with so many replicas


async def running(client: Client, name: str, count: int) -> Tasks:
    """Once there are exactly so many, and nothing else is to come."""

    async def look() -> Tasks | None:
        with suppress(Unavailable):  # a poller takes over
            wanted = [task for task in await client.tasks(service=name) if task.desired_state == "running"]
            if [task.state for task in wanted] == ["running"] * count:
                return {task.id: task.node_name or "" for task in wanted}
        return None

    found = await until(look, f"{count} running tasks of {name}", PATIENCE_S, 0.05)
    assert found is not None
    return found


@asynccontextmanager
async def least_running(client: Client, name: str) -> AsyncIterator[list[int]]:
    """The numbers of running tasks of the service, as the feed tells them from here on until the block ends."""
    states: dict[str, str] = {}
    counts: list[int] = []
    begun = asyncio.Event()

    async def follow() -> None:
        async for item in client.changes(kinds=["task"], names=[name]):
            if isinstance(item, Snapshotted) and isinstance(item.state, TaskState):
                states[item.state.id] = item.state.state
            elif isinstance(item, Changed):
                after = item.event.after
                states[item.event.object_id] = after.state if isinstance(after, TaskState) else "removed"
            if isinstance(item, Changed | SnapshotEnd):
                counts.append(Counter(states.values())["running"])
                begun.set()

    following = asyncio.create_task(follow())
    try:
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        yield counts
    finally:
        following.cancel()
        await asyncio.wait({following})


async def a_surge_spreads_tasks_and_keeps_the_others(client: Client, spec: Spec, name: str, free: str) -> None:
    """`free`: a node that is to get a task; the service is on the others before."""
    check(await client.pause(free, how=WAITS))
    try:
        check(await client.create(spec(name, 4), how=WAITS))
        before = await running(client, name, 4)
    finally:
        check(await client.activate(free, how=WAITS))
    assert free not in before.values()
    async with least_running(client, name) as counts:
        check(await client.scale(name, 5, how=WAITS))
        surged = await running(client, name, 5)
        check(await client.scale(name, 4, how=WAITS))
        after = await running(client, name, 4)
    new = surged.keys() - before.keys()
    assert before.items() <= surged.items()
    assert [free] == [surged[task] for task in new]
    assert new < after.keys() < surged.keys()
    assert 4 <= min(counts), counts


async def a_surge_before_a_drain_leaves_no_moment_without_a_task(client: Client, spec: Spec, name: str) -> None:
    """Pause -> one more, elsewhere -> drain -> one less."""
    check(await client.create(spec(name, 1), how=WAITS))
    ((_, node),) = (await running(client, name, 1)).items()
    try:
        async with least_running(client, name) as counts:
            check(await client.pause(node, how=WAITS))
            check(await client.scale(name, 2, how=WAITS))
            assert node in (await running(client, name, 2)).values()
            check(await client.drain(node, how=WAITS))
            await until(lambda: _left(client, name, node), f"{node} without tasks of {name}", PATIENCE_S, 0.05)
            check(await client.scale(name, 1, how=WAITS))
            ((_, new_node),) = (await running(client, name, 1)).items()
    finally:
        check(await client.activate(node, how=WAITS))
    assert node != new_node
    assert 1 <= min(counts), counts


async def _left(client: Client, name: str, node: str) -> bool:
    with suppress(Unavailable):
        states = {task.state for task in await client.tasks(service=name) if task.node_name == node}
        return "running" not in states
    return False


async def a_dry_run_foretells_where_tasks_run(client: Client, spec: Spec, name: str) -> None:
    """Of a creation, of scaling up and down, of a restart, and of a drain; each is then done, and is so."""
    wanted = spec(name, 2)
    foretold = _preview(check(await client.create(wanted, how=DRY)).preview)
    check(await client.create(wanted, how=WAITS))
    assert _placed(foretold) == Counter((await running(client, name, 2)).values())
    for count in (6, 3, 4):
        foretold = _preview(check(await client.scale(name, count, how=DRY)).preview)
        check(await client.scale(name, count, how=WAITS))
        assert (_placed(foretold), False) == (
            Counter((await running(client, name, count)).values()), foretold.restarts_tasks,
        )  # fmt: skip
    before = await running(client, name, 4)
    node = next(iter(before.values()))
    foretold = _preview(check(await client.drain(node, how=DRY)).preview)
    assert (True, True, before) == (foretold.restarts_tasks, foretold.fits, await running(client, name, 4))
    try:
        check(await client.drain(node, how=WAITS))
        await until(lambda: _left(client, name, node), f"{node} without tasks of {name}", PATIENCE_S, 0.05)
        after = await running(client, name, 4)
    finally:
        check(await client.activate(node, how=WAITS))
    assert node not in after.values()
    assert {task for task, place in before.items() if place != node} < after.keys()


async def many_at_once_pile_up_as_foretold(client: Client, spec: Spec, name: str, free: tuple[str, str]) -> None:
    """SwarmKit gives each empty node one task, and the rest to one after the other, up to the fullest: not evenly."""
    for node in free:
        check(await client.pause(node, how=WAITS))
    try:
        check(await client.create(spec(name, 6), how=WAITS))
        before = await running(client, name, 6)
    finally:
        for node in free:
            check(await client.activate(node, how=WAITS))
    assert 1 == len(set(before.values()))
    foretold = _preview(check(await client.scale(name, 10, how=DRY)).preview)
    check(await client.scale(name, 10, how=WAITS))
    after = await running(client, name, 10)
    counts = sorted(Counter(after.values()).values())
    assert sorted(_placed(foretold).values()) == counts, (foretold, after)
    assert before.items() <= after.items()


def _preview(preview: Preview | None) -> Preview:
    assert preview is not None
    assert preview.fits, preview.reasons
    return preview


def _placed(preview: Preview) -> Counter[str]:
    return Counter({one.node: one.tasks for one in preview.placements if one.tasks})
