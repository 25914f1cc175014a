"""What is finished is taken out of the queue, many at a time, and nothing else is, whatever else is there."""

import json

from nats.aio.msg import Msg

from services.bus.connection import Bus
from services.bus.deliveries import Delivery
from services.bus.jetstream import call
from services.bus.streams import COMMANDS_CONSUMER
from tests.nats.test_deliveries import consume, left, numbers, submit, take
from tests.waiting import until

__all__ = ["consume"]
MANY = 20


async def finish(delivered: list[Delivery]) -> None:
    for delivery in delivered:
        await delivery.ack()


async def there_are(bus: Bus, count: int) -> None:
    async def are() -> bool:
        return await left(bus) == count

    await until(are, f"{count} commands to be left")


async def sequences(bus: Bus) -> tuple[int, int]:
    """Of the first and the last in the queue."""
    state = (await call(bus.link, f"STREAM.INFO.{bus.subjects.commands_stream}"))["state"]
    return state["first_seq"], state["last_seq"]


async def waits_for_none(bus: Bus) -> bool:
    place = f"{bus.subjects.commands_stream}.{COMMANDS_CONSUMER}"
    return int((await call(bus.link, f"CONSUMER.INFO.{place}"))["num_ack_pending"]) == 0


async def test_many_that_are_finished_are_gone(bus, consume):
    await submit(bus, *range(MANY))
    await finish(await take(await consume(bus), MANY))
    await there_are(bus, 0)


async def test_many_are_taken_out_by_one_purge(bus, consume):
    purges: list[Msg] = []

    async def seen(message: Msg) -> None:
        purges.append(message)

    await bus.link.subscribe("$JS.API.STREAM.PURGE.>", seen)
    await submit(bus, *range(MANY))
    await finish(await take(await consume(bus), MANY))
    await there_are(bus, 0)
    assert [{"seq": MANY + 1}] == [json.loads(purge.data) for purge in purges]


async def test_nats_waits_for_none_of_those_that_are_gone(bus, consume):
    await submit(bus, *range(MANY))
    await finish(await take(await consume(bus), MANY))
    await until(lambda: waits_for_none(bus), "NATS to wait for none")


async def test_one_in_hand_among_many_finished_stays(bus, consume):
    await submit(bus, *range(MANY))
    taken = await take(await consume(bus), MANY)
    await finish(taken[:10] + taken[11:])
    await there_are(bus, 1)
    assert (11, MANY) == await sequences(bus)


async def test_the_first_in_hand_holds_up_none(bus, consume):
    await submit(bus, *range(MANY))
    taken = await take(await consume(bus), MANY)
    await finish(taken[1:])
    await there_are(bus, 1)
    await finish(taken[:1])
    await there_are(bus, 0)


async def test_what_is_not_handed_out_yet_stays(bus, consume):
    await submit(bus, *range(MANY))
    deliveries = await consume(bus, limit=MANY // 2)
    await finish(await take(deliveries, MANY // 2))
    assert list(range(MANY // 2, MANY)) == numbers(await take(deliveries, MANY // 2))


async def test_finished_ones_of_a_stream_before_take_nothing_of_the_next(bus, consume):
    await submit(bus, *range(MANY))
    deliveries = await consume(bus)
    taken = await take(deliveries, MANY)
    await call(bus.link, f"STREAM.DELETE.{bus.subjects.commands_stream}")
    await bus.declare()
    await submit(bus, *range(100, 100 + MANY))
    await finish(taken)
    assert list(range(100, 100 + MANY)) == numbers(await take(deliveries, MANY))


async def test_where_nats_permits_no_purge_they_are_gone_all_the_same(bus, consume):
    info = await call(bus.link, f"STREAM.INFO.{bus.subjects.commands_stream}")
    await call(bus.link, f"STREAM.UPDATE.{bus.subjects.commands_stream}", info["config"] | {"deny_purge": True})
    await submit(bus, *range(MANY))
    await finish(await take(await consume(bus), MANY))
    await there_are(bus, 0)


async def test_what_is_finished_last_is_gone_after_close(bus):
    await submit(bus, *range(MANY))
    deliveries = await bus.consume_commands()
    taken = await take(deliveries, MANY)
    await finish(taken)
    await deliveries.close()
    await there_are(bus, 0)
