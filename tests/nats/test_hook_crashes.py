"""Webhooks on bad days: killed, frozen and doubled notifiers, a NATS that dies; nothing is lost, and order is kept."""

import asyncio
import random
import signal
from dataclasses import replace

from services.bus.handouts import ACK_WAIT_S, WINDOW
from tests.nats.hook_scene import (
    PATIENCE_S,
    SETTINGS,
    client_of,
    finished,
    got,
    happens,
    notifier,
    process,
    put,
    receiver,
)
from tests.waiting import until

OBJECTS = [f"service-{number}" for number in range(5)]
chance = random.Random(1)
MIB = 2**20
SECOND = replace(SETTINGS, instance="notifier-2")


async def many(bus, count):
    """Events of several services; their ids, by service, in order."""
    found: dict[str, list[str]] = {name: [] for name in OBJECTS}
    for _ in range(count):
        name = chance.choice(OBJECTS)
        found[name].append(await happens(bus, name))
    return found


def by_object(ids):
    found: dict[str, list[str]] = {name: [] for name in OBJECTS}
    for one in ids:
        found[one.removeprefix("service/id-").partition("@")[0]].append(one)
    return found


def moody(share: float):
    """Takes an event, or has one of several excuses, or hangs up."""
    return lambda _: (
        chance.choice([(500, ""), (429, "retry-after: 0\r\n"), (404, ""), None])
        if chance.random() < share
        else (204, "")
    )


async def test_a_receiver_of_many_moods_gets_all_in_the_order_of_their_objects(bus):
    async with notifier(bus), receiver(say=moody(0.2)) as to, client_of(bus) as client:
        await put(client, to, timeout_s=0.5)
        wanted = await many(bus, 100)
        assert wanted == by_object(await got(to, 100))


async def test_a_killed_notifier_loses_nothing_and_mixes_nothing_up(bus):
    async with receiver(say=moody(0.1)) as to, process(bus) as notifying, client_of(bus) as client:
        await put(client, to, timeout_s=0.5)
        sending = asyncio.create_task(many(bus, 150))
        for reached in (20, 60, 100):
            await got(to, reached)
            notifying.again()
        wanted = await sending
        assert wanted == by_object(await got(to, 150))


async def test_a_killed_nats_loses_nothing_and_mixes_nothing_up(nats, own_bus):
    async with receiver(say=moody(0.1)) as to, notifier(own_bus), client_of(own_bus) as client:
        await put(client, to, timeout_s=0.5)
        wanted = await many(own_bus, 50)
        await got(to, 10)
        nats.kill()
        nats.start()
        await own_bus.link.wait_connected(PATIENCE_S)
        for name, ids in (await many(own_bus, 20)).items():
            wanted[name] += ids
        assert wanted == by_object(await got(to, 70))


async def test_of_two_copies_one_delivers_and_the_other_takes_over(bus):
    async with receiver() as to, process(bus) as first, client_of(bus) as client, notifier(bus, SECOND):
        await put(client, to)
        await happens(bus)
        await got(to, 1)
        await finished(bus)
        first.kill()
        wanted = await happens(bus)
        assert wanted == (await got(to, 2))[1]
        assert 2 == len({one.id for one in to.got})


async def test_one_that_was_frozen_and_wakes_up_disturbs_nothing(bus):
    async with receiver() as to, process(bus) as first, client_of(bus) as client:
        await put(client, to)
        async with notifier(bus, SECOND):
            first.signal(signal.SIGSTOP)
            wanted = await many(bus, 30)
            await got(to, 30)
            first.signal(signal.SIGCONT)
            for name, ids in (await many(bus, 30)).items():
                wanted[name] += ids
            assert wanted == by_object(await got(to, 60))


async def test_what_was_on_its_way_when_the_notifier_was_killed_comes_again_under_the_same_id(bus):
    async with receiver(say=lambda _: None) as to, process(bus) as notifying, client_of(bus) as client:
        await put(client, to, timeout_s=60)
        wanted = await happens(bus)
        await until(lambda: to.got, "a request", PATIENCE_S)
        to.say = lambda _: (204, "")
        notifying.again()
        assert [wanted] == await got(to, 1)
        assert {wanted} == {one.id for one in to.got}
        assert len(to.got) >= 2


async def test_memory_is_bounded_also_with_receivers_that_are_gone(bus):
    async with process(bus) as notifying, client_of(bus) as client, receiver(say=lambda _: None) as gone:
        at_rest = notifying.rss_bytes()
        assert at_rest < 80 * MIB
        for number in range(4):
            await put(client, gone, f"gone-{number}", timeout_s=60)
        for number in range(2 * WINDOW):
            await happens(bus, f"service-{number}", bulk="x" * 20_000)
        async with receiver() as well:
            await put(client, well, "well")
            await happens(bus)
            await got(well, 1)

        async def all_pending():
            return all(status.pending >= 2 * WINDOW for status in await client.hooks() if status.hook.name != "well")

        await until(all_pending, "all to be pending", ACK_WAIT_S + PATIENCE_S)
        assert notifying.rss_bytes() < at_rest + 20 * MIB
