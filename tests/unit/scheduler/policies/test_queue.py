"""What is looked at next."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.policies import queue as looks
from services.scheduler.policies.queue import LookQueue
from tests.waiting import until

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return LookQueue(clock)


async def test_first_come_first_served_and_once(queue):
    queue.touch(["a", "b", "a"])
    assert ["a", "b"] == [await queue.next(), await queue.next()]
    assert 0 == len(queue)


async def test_what_is_touched_while_it_is_looked_at_is_looked_at_afterwards(queue):
    queue.touch(["a"])
    await queue.next()
    queue.touch(["a"])
    assert 0 == len(queue)
    queue.done("a")
    assert "a" == await queue.next()


async def test_a_wake_up_time_is_kept_to_by_the_clock(queue, clock):
    queue.wake("a", NOON + timedelta(hours=1))
    clock.now = NOON + timedelta(hours=1)
    assert "a" == await queue.next()


async def test_what_is_due_does_not_wait_for_all_that_was_touched(queue, clock):
    queue.touch(f"web-{number}" for number in range(1000))
    queue.wake("job", NOON)
    assert "job" in {await queue.next(), await queue.next()}


async def test_what_was_touched_does_not_wait_for_all_that_is_due(queue, clock):
    for number in range(1000):
        queue.wake(f"job-{number}", NOON)
    queue.touch(["web"])
    assert "web" in {await queue.next() for _ in range(looks.TURNS)}


async def test_what_is_due_and_was_touched_is_looked_at_once(queue):
    queue.wake("a", NOON)
    queue.touch(["a"])
    assert ("a", 0) == (await queue.next(), len(queue))


async def test_all_who_wait_get_one(queue):
    waiting = [asyncio.create_task(queue.next()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.touch(["a", "b", "c"])
    await until(lambda: all(one.done() for one in waiting), "all to have one")
    assert {"a", "b", "c"} == {one.result() for one in waiting}


async def test_a_later_word_about_the_time_holds(queue, clock):
    queue.wake("a", NOON + timedelta(hours=1))
    queue.wake("a", NOON + timedelta(hours=2))
    queue.wake("b", NOON + timedelta(hours=1))
    clock.now = NOON + timedelta(hours=1)
    assert ("b", 0) == (await queue.next(), len(queue))


async def test_a_jump_of_the_clock_is_seen(queue, clock, monkeypatch):
    monkeypatch.setattr(looks, "LOOK_INTERVAL_S", 0.01)
    queue.wake("a", NOON + timedelta(days=1))
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    clock.now = NOON + timedelta(days=2)
    await until(waiting.done, "the wake-up")
    assert "a" == waiting.result()


async def test_times_that_are_no_longer_meant_do_not_pile_up(queue):
    for number in range(5000):
        queue.wake("a", NOON + timedelta(hours=1, seconds=number))
    assert len(queue._heap) < 2000


async def test_a_touch_of_nothing_wakes_nobody(queue, clock, monkeypatch):
    asked = 0

    def counting():
        nonlocal asked
        asked += 1
        return clock()

    monkeypatch.setattr(queue, "_clock", counting)
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    at_rest = asked
    queue.touch([])
    await asyncio.sleep(0)
    assert at_rest == asked
    queue.touch(["a"])
    assert "a" == await waiting
