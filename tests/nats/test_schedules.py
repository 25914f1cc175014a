"""Schedules on a real nats-server: each firing is one command, and a cancelled one does not fire."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from funswarm.errors import InvalidRequest, PermanentError, Refused, UnknownSchedule
from funswarm.messages import Code
from services.bus.connection import Bus
from services.scheduler import firings
from tests.nats.schedule_scene import SUBJECTS, fired, gone, nothing_underway, result_of, schedule
from tests.nats.scheduler_scene import Scene
from tests.waiting import until


async def test_a_delayed_command_is_done_once_and_its_schedule_is_over(running, swarm_bus):
    put = await running.client.schedule(schedule(at="+2s"))
    assert [put.schedule.at] == list(put.next)
    result = await result_of(running.client, "nightly", put.next[0])
    assert (True, 2) == (result.changed, running.replicas("web"))
    assert result.finished_at >= put.next[0]
    await until(lambda: gone(running.client, "nightly"), "the end of the schedule", every_s=0.05)


@pytest.mark.parametrize("when", [{"every": "1s"}, {"cron": "* * * * * *", "time_zone": "Europe/Berlin"}], ids=str)
async def test_a_recurring_command_is_done_each_time(running, swarm_bus, when):
    await running.client.schedule(schedule(**when))

    async def four() -> bool:
        times = await fired(swarm_bus)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return [timedelta(seconds=1)] * 3 in [gaps[at : at + 3] for at in range(len(gaps))]

    await until(four, "four times one after the other", every_s=0.1)  # a machine that stands still misses some


async def test_a_cron_expression_is_done_by_the_clocks_of_its_zone(running, swarm_bus):
    there = datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(seconds=10)  # half past ours
    put = await running.client.schedule(schedule(cron=f"{there:%-S %-M %-H} * * *", time_zone="Asia/Kolkata"))
    assert put.next[0] == there.replace(microsecond=0)
    assert (await result_of(running.client, "nightly", put.next[0])).changed


async def test_a_listed_schedule_tells_its_next_times_and_its_last_firing(running):
    await running.client.schedule(schedule("often", every="1s"))
    await running.client.schedule(schedule("yearly", cron="@yearly"))

    async def told() -> bool:
        return (await running.client.scheduled("often")).result is not None

    await until(told, "a firing", every_s=0.1)
    often, yearly = await running.client.schedules()
    assert ("often", "yearly") == (often.schedule.name, yearly.schedule.name)
    assert (3, None) == (len(yearly.next), yearly.last)
    assert often.last is not None
    assert often.last.due < often.next[0]


async def test_a_cancelled_schedule_does_not_fire_any_more(running, swarm_bus):
    await running.client.schedule(schedule(every="1s"))

    async def once() -> bool:
        return bool(await fired(swarm_bus))

    await until(once, "a firing", every_s=0.05)
    await running.client.cancel("nightly")
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    before = await fired(swarm_bus)
    await asyncio.sleep(2.5)
    assert before == await fired(swarm_bus)
    with pytest.raises(UnknownSchedule, match="no schedule 'nightly'"):
        await running.client.cancel("nightly")


async def test_a_firing_that_was_on_its_way_is_told_by_cancel_and_is_done(running, swarm_bus):
    await running.client.schedule(schedule(every="1s"))

    async def claimed() -> bool:
        return (await running.client.scheduled("nightly")).last is not None

    await until(claimed, "a firing", every_s=0.01)
    cancelled = await running.client.cancel("nightly")
    times = {cancelled.underway.due} if cancelled.underway else set()
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    assert times <= set(await fired(swarm_bus))


async def test_cancelling_at_the_very_moment_tells_whether_it_fired(running, swarm_bus):
    at = (datetime.now(UTC) + timedelta(seconds=10)).replace(microsecond=0)
    names = [f"race{number}" for number in range(30)]
    await asyncio.gather(*(running.client.schedule(schedule(name, at=at)) for name in names))

    async def has_fired(number: int) -> bool:
        await asyncio.sleep((at - datetime.now(UTC)).total_seconds() + number / 200)
        try:
            return (await running.client.cancel(names[number])).underway is not None
        except UnknownSchedule:
            return True

    told = await asyncio.gather(*(has_fired(number) for number in range(len(names))))
    for name in (name for name, yes in zip(names, told, strict=True) if yes):
        await result_of(running.client, name, at)
    await asyncio.sleep(1)  # of the others none comes
    await until(lambda: nothing_underway(swarm_bus), "the last commands", every_s=0.05)
    results = [await running.client.result(f"{name}-{at:%Y%m%dT%H%M%SZ}") for name in names]
    assert [name for name, yes in zip(names, told, strict=True) if yes] == [
        name for name, result in zip(names, results, strict=True) if result is not None
    ]


async def test_a_batch_is_scheduled_as_any_other_command(running):
    items = [{"name": "up", "command": {"verb": "scale", "target": "web", "replicas": 3}}]
    put = await running.client.schedule(
        schedule(at="+1s", command={"verb": "batch", "target": "all", "commands": items})
    )
    assert (await result_of(running.client, "nightly", put.next[0])).changed
    assert 3 == running.replicas("web")


async def test_a_schedule_that_was_cancelled_while_no_scheduler_was_there_never_fires(idle_swarm, swarm_bus):
    await idle_swarm.client.schedule(schedule(at="+1s"))
    await idle_swarm.client.cancel("nightly")
    idle_swarm.start()
    await idle_swarm.active()
    await idle_swarm.client.schedule(schedule("other", at="+2s"))
    await until(lambda: gone(idle_swarm.client, "other"), "the other one", every_s=0.05)
    assert [] == await fired(swarm_bus)


async def test_a_firing_that_waits_for_a_scheduler_is_taken_away_by_cancel(running, swarm_bus):
    await running.client.schedule(schedule(at="+10s"))
    await until(
        lambda: swarm_bus.newest(SUBJECTS.schedules_stream, SUBJECTS.alarm("nightly")), "the alarm", every_s=0.05
    )
    await running.stop()
    await until(
        lambda: swarm_bus.newest(SUBJECTS.schedules_stream, SUBJECTS.firing("nightly")), "the firing", every_s=0.05
    )
    cancelled = await running.client.cancel("nightly")
    running.start("two")
    await running.active()
    await running.client.schedule(schedule("other", at="+1s"))
    await until(lambda: gone(running.client, "other"), "the other one", every_s=0.05)
    assert (None, []) == (cancelled.underway, await fired(swarm_bus))


async def test_another_schedule_of_the_name_takes_its_place(running, swarm_bus):
    await running.client.schedule(schedule(at="+10s"))
    later = await running.client.schedule(schedule(at="+11s"))
    await result_of(running.client, "nightly", later.next[0])
    assert list(later.next) == await fired(swarm_bus)


async def test_one_in_the_past_is_refused(running):
    with pytest.raises(InvalidRequest, match="is in the past"):
        await running.client.schedule(schedule(at=datetime.now(UTC) - timedelta(hours=1)))


async def test_who_is_bound_to_namespaces_sees_and_replaces_only_such_schedules(idle_swarm):
    await idle_swarm.client.schedule(schedule(every="1h"))
    own = await idle_swarm.client.schedule(schedule("own", every="1h"), namespaces=["shop"], requested_by="ann")
    assert (("shop",), "ann") == (own.schedule.command.namespaces, own.schedule.command.requested_by)
    seen = await idle_swarm.client.schedules(namespaces=["shop", "bar"])
    assert ["own"] == [one.schedule.name for one in seen]
    with pytest.raises(UnknownSchedule):
        await idle_swarm.client.cancel("nightly", namespaces=["shop"])
    with pytest.raises(Refused) as refused:
        await idle_swarm.client.schedule(schedule(every="1h"), namespaces=["shop"])
    assert Code.FORBIDDEN is refused.value.code


async def test_a_schedule_that_is_not_understood_holds_up_no_other(running, swarm_bus):
    headers = {"Nats-Msg-Id": "x"}
    await swarm_bus.publish(
        SUBJECTS.schedule("bad"), json.dumps({"name": "bad"}).encode(), headers, SUBJECTS.schedules_stream
    )
    put = await running.client.schedule(schedule(at="+1s"))
    assert (await result_of(running.client, "nightly", put.next[0])).changed


def _problems_of(running: Scene) -> Callable[[], Awaitable[list[str]]]:
    async def problems() -> list[str]:
        return [problem.reason for problem in (await running.client.health()).problems if problem.source == "schedule"]

    return problems


async def test_a_schedule_that_is_not_understood_is_a_problem_until_it_is_put_anew(running, swarm_bus):
    body, headers = json.dumps({"name": "nightly"}).encode(), {"Nats-Msg-Id": "x"}
    await swarm_bus.publish(SUBJECTS.schedule("nightly"), body, headers, SUBJECTS.schedules_stream)
    problems = _problems_of(running)
    (reason,) = await until(problems, "the problem", every_s=0.1)
    assert reason.startswith("schedule nightly: it is not understood, so it does not fire")
    await running.client.schedule(schedule(at="+1h"))

    async def solved() -> bool:
        return not await problems()

    await until(solved, "no problem", every_s=0.1)
    assert (await running.client.scheduled("nightly")).problem is None


async def test_a_schedule_whose_command_nats_refuses_is_a_problem_and_listed_as_stuck(running, swarm_bus, monkeypatch):
    publish = Bus.publish

    async def refuses(self, subject, *message):
        if subject.startswith(f"{SUBJECTS.prefix}.command."):
            raise PermanentError("NATS says: a test")
        return await publish(self, subject, *message)

    monkeypatch.setattr(Bus, "publish", refuses)
    monkeypatch.setattr(firings, "REFUSED_RETRY_S", 0.2)
    await running.client.schedule(schedule(cron="* * * * * *"))

    async def stuck() -> str:
        (scheduled,) = await running.client.schedules()
        return scheduled.problem or ""

    assert "NATS says: a test; it is tried again" in await until(stuck, "the problem", every_s=0.1)
    monkeypatch.setattr(Bus, "publish", publish)

    async def well() -> bool:
        return not await stuck()

    await until(well, "no problem", every_s=0.1)
