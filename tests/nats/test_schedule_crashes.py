"""Schedules through kills: of NATS over a firing, of the scheduler at one, with two schedulers at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from funswarm.messages import Code
from funswarm.spec import ServiceSpec
from services.bus.connection import Bus
from services.bus.deliveries import Delivery
from services.scheduler.firings import Firings
from tests.nats.schedule_scene import (
    fired,
    fired_after,
    gone,
    nothing_underway,
    result_of,
    schedule,
    start_again,
    until_armed,
    until_more,
)
from tests.nats.scheduler_scene import Scene
from tests.waiting import until

RESTART = {"verb": "restart", "target": "web", "force": True}


async def test_times_that_nats_was_away_over_are_fired_once_when_it_is_back(running, swarm_bus):
    await running.client.schedule(schedule(every="1s"))
    await until_armed(swarm_bus)
    await running.nats.kill()
    away = datetime.now(UTC)
    await asyncio.sleep(5)
    back = datetime.now(UTC)
    await start_again(running, swarm_bus)
    await until(lambda: fired_after(swarm_bus, back), "firings after the restart", every_s=0.1)
    assert [] == [time for time in await fired(swarm_bus) if away < time < back][1:]


async def test_a_moment_that_nats_was_away_over_is_fired_once_when_it_is_back(running, swarm_bus):
    put = await running.client.schedule(schedule(at="+10s"))
    await until_armed(swarm_bus)
    await running.nats.kill()
    await asyncio.sleep((put.next[0] - datetime.now(UTC)).total_seconds() + 1)
    await start_again(running, swarm_bus)
    await result_of(running.client, "nightly", put.next[0])
    await until(lambda: gone(running.client, "nightly"), "the end of the schedule", every_s=0.05)
    assert list(put.next) == await fired(swarm_bus)


async def test_a_firing_that_is_too_late_is_dropped_and_that_is_said(running, swarm_bus):
    put = await running.client.schedule(schedule(at="+10s", missed="drop", drop_after_s=1))
    await until_armed(swarm_bus)
    await running.nats.kill()
    await asyncio.sleep((put.next[0] - datetime.now(UTC)).total_seconds() + 2)
    await start_again(running, swarm_bus)
    result = await result_of(running.client, "nightly", put.next[0])
    assert (Code.DEADLINE, 1) == (result.code, running.replicas("web"))


async def test_what_was_missed_while_no_scheduler_was_there_is_fired_once(running, swarm_bus):
    await running.client.schedule(schedule(every="1s"))
    await until_armed(swarm_bus)
    await running.stop()
    stopped = datetime.now(UTC)
    await asyncio.sleep(5)
    started = datetime.now(UTC)
    running.start("two")
    await until(lambda: fired_after(swarm_bus, started), "firings of the other scheduler", every_s=0.1)
    assert [] == [time for time in await fired(swarm_bus) if stopped < time < started][1:]


def restarts(swarm: Scene) -> int:
    return int(swarm.service("web").spec["TaskTemplate"].get("ForceUpdate", 0))


@pytest.mark.parametrize("write", [1, 2, 3, 4, 5], ids=["alarm", "command", "end", "clear", "cleared"])
async def test_a_scheduler_that_dies_before_a_write_leaves_the_firing_to_the_next(
    running, swarm_bus, monkeypatch, write
):
    left = write
    publish_while = Bus.publish_while

    async def dying(self, message, *arguments):
        nonlocal left
        left -= 1
        if left == 0:
            raise asyncio.CancelledError
        return await publish_while(self, message, *arguments)

    monkeypatch.setattr(Bus, "publish_while", dying)
    put = await running.client.schedule(schedule(at="+1s", command=RESTART))
    await result_of(running.client, "nightly", put.next[0])
    await until(lambda: gone(running.client, "nightly"), "the end of the schedule", every_s=0.05)
    await until(lambda: left <= 0, "the death")
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    assert (1, list(put.next)) == (restarts(running), await fired(swarm_bus))


async def test_schedulers_that_are_killed_one_after_the_other_fire_each_time_once_at_most(idle_swarm, swarm_bus):
    processes = [await idle_swarm.spawn(), await idle_swarm.spawn()]
    await idle_swarm.active()
    await idle_swarm.client.create(ServiceSpec(name="web", image="nginx"))
    await idle_swarm.client.schedule(schedule(every="1s", command=RESTART))
    for process in processes:
        await until_more(swarm_bus)
        process.kill()
        await process.wait()
        await idle_swarm.spawn()
    await until_more(swarm_bus)
    await idle_swarm.client.cancel("nightly")
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    assert len(await fired(swarm_bus)) == restarts(idle_swarm)


async def test_two_schedulers_that_do_the_same_at_once_fire_each_time_once(running, swarm_bus):
    """As when the old active copy is not dead yet: nothing but the stream keeps them apart."""
    deliveries = await swarm_bus.consume_schedules()
    first: asyncio.Queue[Delivery] = asyncio.Queue()
    second: asyncio.Queue[Delivery] = asyncio.Queue()

    async def tell_both() -> None:
        async for delivery in deliveries:
            first.put_nowait(delivery)
            second.put_nowait(delivery)

    async def of(queue: asyncio.Queue[Delivery]) -> AsyncIterator[Delivery]:
        while True:
            yield await queue.get()

    working = [
        asyncio.create_task(work) for work in (tell_both(), *(Firings(swarm_bus).run(of(q)) for q in (first, second)))
    ]
    await running.client.schedule(schedule(every="1s", command=RESTART))
    await until_more(swarm_bus)
    await running.client.cancel("nightly")
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    for task in working:
        task.cancel()
    await deliveries.close()
    assert len(await fired(swarm_bus)) == restarts(running)
