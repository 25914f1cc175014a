"""What a durable consumer of events hands out: each until it is finished, in order, whatever happens in between."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from services.bus.handouts import Handouts, consumer_standing, durable_consumers, forget_consumer
from services.bus.jetstream import call
from services.bus.reading import stored_at
from tests.waiting import until

PATIENCE_S = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What is lost comes again soon."""
    monkeypatch.setattr("services.bus.handouts.ACK_WAIT_S", 1.0)


async def store(bus, *names):
    for name in names:
        subject = bus.subjects.event("service", "updated", name)
        await bus.publish(subject, name.encode(), {"Nats-Msg-Id": name}, bus.subjects.events_stream)


@asynccontextmanager
async def reader(bus, after: int | None = 0, name="hook-a", filters=None):
    handouts = Handouts(bus, name, filters or [bus.subjects.all_events], after)
    await handouts.open()
    try:
        yield handouts
    finally:
        await handouts.close()


async def took(handouts, count):
    async with asyncio.timeout(PATIENCE_S):
        return [await anext(handouts) for _ in range(count)]


def names(found):
    return [one.subject.rpartition(".")[2] for one in found]


async def die(handouts):
    """As after SIGKILL: NATS hears nothing."""
    handouts._keeping.cancel()
    await handouts._link.unsubscribe(handouts._inbox)


async def lose(bus, handouts, name):
    """Stored, and lost on the way: NATS thinks that it was heard."""
    arrived, handouts._inbox._cb = handouts._inbox._cb, lambda _: asyncio.sleep(0)
    await store(bus, name)
    await bus.link.barrier()
    handouts._inbox._cb = arrived


async def test_events_are_handed_out_in_order_without_bodies(bus):
    await store(bus, "a", "b", "c")
    async with reader(bus) as handouts:
        found = await took(handouts, 3)
    assert ["a", "b", "c"] == names(found)
    assert ["a", "b", "c"] == [one.headers["Nats-Msg-Id"] for one in found]


async def test_a_new_consumer_begins_after_a_sequence(bus):
    await store(bus, "a", "b", "c")
    async with reader(bus, after=2) as handouts:
        assert ["c"] == names(await took(handouts, 1))


async def test_a_new_consumer_without_a_sequence_begins_now(bus):
    await store(bus, "a")
    async with reader(bus, after=None) as handouts:
        await store(bus, "b")
        assert ["b"] == names(await took(handouts, 1))


async def test_what_is_not_finished_comes_to_the_next_reader_before_what_is_newer(bus):
    await store(bus, "a", "b", "c")
    async with reader(bus) as handouts:
        await handouts.finish((await took(handouts, 3))[1].sequence)
    await store(bus, "d")
    async with reader(bus) as handouts:
        assert ["a", "c", "d"] == names(await took(handouts, 3))


async def test_what_a_dead_reader_had_comes_before_what_is_newer(bus):
    await store(bus, "a", "b", "c")
    handouts = Handouts(bus, "hook-a", [bus.subjects.all_events], 0)
    await handouts.open()
    await handouts.finish((await took(handouts, 3))[0].sequence)
    await die(handouts)
    await store(bus, "d", "e")
    async with reader(bus) as handouts:
        assert ["b", "c", "d", "e"] == names(await took(handouts, 4))


async def test_what_was_lost_on_the_way_comes_before_what_is_newer(bus):
    async with reader(bus) as handouts:
        await store(bus, "a")
        await took(handouts, 1)
        await lose(bus, handouts, "b")
        await store(bus, "c")
        assert ["b", "c"] == names(await took(handouts, 2))


async def test_what_was_lost_on_the_way_and_is_the_last_comes_too(bus):
    async with reader(bus) as handouts:
        await store(bus, "a")
        await took(handouts, 1)
        await lose(bus, handouts, "b")
        assert ["b"] == names(await took(handouts, 1))


async def test_the_place_survives_a_killed_nats(nats, own_bus):
    await store(own_bus, "a", "b")
    async with reader(own_bus) as handouts:
        await handouts.finish((await took(handouts, 2))[0].sequence)
        nats.kill()
        nats.start()
        await own_bus.link.wait_connected(PATIENCE_S)
        await store(own_bus, "c")
        assert ["c"] == names(await took(handouts, 1))  # b is in hand still, a is done


async def test_a_consumer_that_somebody_took_away_is_made_again_where_it_was(bus):
    await store(bus, "a", "b")
    async with reader(bus) as handouts:
        await handouts.finish((await took(handouts, 2))[0].sequence)
        await forget_consumer(bus, "hook-a")
        await store(bus, "c")
        assert ["c"] == names(await took(handouts, 1))


async def test_other_filters_go_on_at_the_same_place(bus):
    await store(bus, "a", "b")
    async with reader(bus) as handouts:
        for one in await took(handouts, 2):
            await handouts.finish(one.sequence)
    await store(bus, "c", "d")
    async with reader(bus, filters=[bus.subjects.event("service", "updated", "d")]) as handouts:
        assert ["d"] == names(await took(handouts, 1))


async def test_it_is_told_how_many_are_not_finished(bus):
    await store(bus, "a", "b", "c")
    async with reader(bus) as handouts:
        await handouts.finish((await took(handouts, 3))[0].sequence)

        async def two() -> bool:
            standing = await consumer_standing(bus, "hook-a")
            return standing is not None and 2 == standing.pending

        await until(two, "two pending", PATIENCE_S)


async def test_consumers_are_listed_and_forgotten(bus):
    async with reader(bus):
        pass
    assert ["hook-a"] == await durable_consumers(bus)
    await forget_consumer(bus, "hook-a")
    await forget_consumer(bus, "hook-a")
    assert [] == await durable_consumers(bus)


async def test_a_message_is_read_by_its_sequence(bus):
    await store(bus, "a", "b")
    found = await stored_at(bus, bus.subjects.events_stream, 2)
    assert found is not None
    assert (b"b", "b") == (found.body, found.headers["Nats-Msg-Id"])
    assert None is await stored_at(bus, bus.subjects.events_stream, 3)


async def test_what_a_dead_reader_had_and_is_no_longer_kept_holds_up_nothing(bus):
    await store(bus, "a", "b", "c")
    handouts = Handouts(bus, "hook-a", [bus.subjects.all_events], 0)
    await handouts.open()
    await took(handouts, 3)
    await die(handouts)
    await call(bus.link, f"STREAM.PURGE.{bus.subjects.events_stream}", {"seq": 3})
    await store(bus, "d")
    async with reader(bus) as handouts:
        assert ["c", "d"] == names(await took(handouts, 2))
