"""One writer of a stream: order, batches, fencing, writes whose answer is lost; and reading it again."""

import asyncio

import pytest

from funswarm.errors import PermanentError, Unavailable
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.journal import BATCH_MAX, MARK_HEADER, SINGLES_MAX, Journal, Outgoing, Superseded
from services.bus.reading import read_stream
from services.bus.settings import NatsSettings
from tests.proxy import Proxy
from tests.waiting import until


def event(bus: Bus, number: int, action: str = "updated") -> Outgoing:
    return Outgoing(bus.subjects.event("service", action, "web"), str(number).encode(), {"Nats-Msg-Id": f"e{number}"})


def events(bus: Bus, *numbers: int) -> list[Outgoing]:
    return [event(bus, number) for number in numbers]


async def journal_of(bus: Bus) -> Journal:
    return await Journal.open(bus, bus.subjects.events_stream)


async def stored(bus: Bus, from_sequence: int = 1, subject: str | None = None) -> list[int]:
    return [int(one.body) async for one in read_stream(bus, bus.subjects.events_stream, from_sequence, subject)]


@pytest.fixture
async def journal(bus):
    return await journal_of(bus)


@pytest.fixture
async def proxied(nats, own_bus):
    """The proxy, and a bus through it, on the test's own server."""
    async with Proxy(nats.port) as proxy:
        bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{proxy.port}"), "proxied")
        yield proxy, bus
        await bus.close()


# Writing.
async def test_a_write_returns_the_last_sequence(bus, journal):
    assert [1, 4] == [await journal.write(events(bus, 1)), await journal.write(events(bus, 2, 3, 4))]


@pytest.mark.parametrize("size", [1, SINGLES_MAX, SINGLES_MAX + 1, BATCH_MAX, BATCH_MAX + 1, 2 * BATCH_MAX + 7])
async def test_messages_are_stored_in_order(bus, journal, size):
    await journal.write(events(bus, *range(size)))
    assert list(range(size)) == await stored(bus)


async def test_writing_nothing_does_nothing(journal):
    assert 0 == await journal.write([])


async def test_large_batches_fit_through(bus, journal):
    await journal.write(
        [Outgoing(one.subject, one.body.zfill(20_000), one.headers) for one in events(bus, *range(300))]
    )
    sizes = [len(one.body) async for one in read_stream(bus, bus.subjects.events_stream)]
    assert [20_000] * 300 == sizes


async def test_writes_at_once_do_not_mix(bus, journal):
    await asyncio.gather(*(journal.write(events(bus, 10 * n, 10 * n + 1)) for n in range(10)))
    assert [(n, n + 1) for n in range(0, 100, 10)] == sorted(zip(*[iter(await stored(bus))] * 2, strict=True))


@pytest.mark.parametrize("size", [1, 6])
async def test_an_event_whose_id_was_used_before_is_stored_all_the_same(bus, journal, size):
    await journal.write(events(bus, *range(size)))
    assert 2 * size + 1 == await journal.write(events(bus, *range(size), 99))
    assert [*range(size), *range(size), 99] == await stored(bus)


async def test_what_nats_refuses_is_a_permanent_error(bus, journal):
    with pytest.raises(PermanentError, match="more than the 1048576 that NATS takes"):
        await journal.write([Outgoing(event(bus, 1).subject, b"x" * (2**20 - 10), {"Nats-Msg-Id": "e1"})])


async def test_a_subject_of_another_stream_is_a_permanent_error(bus, journal):
    with pytest.raises(PermanentError, match="expected stream"):
        await journal.write([Outgoing(bus.subjects.command("scale", "web"), b"{}", {})])


# Fencing.
@pytest.mark.parametrize("size", [1, 2, 6])
async def test_a_writer_that_was_followed_is_superseded(bus, journal, size):
    await (await journal_of(bus)).write(events(bus, 100))
    with pytest.raises(Superseded):
        await journal.write(events(bus, *range(size)))
    assert [100] == await stored(bus)


async def test_the_same_event_by_another_writer_supersedes_too(bus, journal):
    await (await journal_of(bus)).write(events(bus, 1))
    with pytest.raises(Superseded):
        await journal.write(events(bus, 1))


async def test_a_superseded_writer_stays_so(bus, journal):
    await (await journal_of(bus)).write(events(bus, 100))
    for _ in range(2):
        with pytest.raises(Superseded):
            await journal.write(events(bus, 1))


async def test_a_stream_made_anew_supersedes(bus, journal):
    await journal.write(events(bus, 1, 2))
    await call(bus.link, f"STREAM.DELETE.{bus.subjects.events_stream}")
    await bus.declare()
    with pytest.raises(Superseded):
        await journal.write(events(bus, 3))


# Unanswered writes.
@pytest.mark.parametrize("size", [1, 3, 6])
async def test_a_write_whose_answer_is_lost_is_done_once(proxied, own_bus, size):
    proxy, bus = proxied
    journal = await journal_of(bus)
    proxy.answers.clear()
    writing = asyncio.create_task(journal.write(events(bus, *range(size))))
    await until(lambda: stored(own_bus), "the write to arrive")
    await proxy.cut()
    assert size == await writing
    assert list(range(size)) == await stored(own_bus)


@pytest.mark.parametrize("size", [1, 6])
async def test_a_write_that_never_arrived_is_written_again(proxied, own_bus, size):
    proxy, bus = proxied
    journal = await journal_of(bus)
    proxy.requests.clear()
    writing = asyncio.create_task(journal.write(events(bus, *range(size))))
    await asyncio.sleep(0.1)
    await proxy.cut()
    await writing
    assert list(range(size)) == await stored(own_bus)


async def test_a_write_is_superseded_if_another_came_while_its_answer_was_lost(proxied, own_bus):
    proxy, bus = proxied
    journal = await journal_of(bus)
    proxy.answers.clear()
    writing = asyncio.create_task(journal.write(events(bus, 1)))
    await until(lambda: stored(own_bus), "the write to arrive")
    await (await journal_of(own_bus)).write(events(own_bus, 2))
    await proxy.cut()
    with pytest.raises(Superseded):
        await writing


async def test_a_write_that_arrives_late_supersedes_what_was_written_instead(proxied, own_bus, monkeypatch):
    proxy, bus = proxied
    journal = await journal_of(bus)
    proxy.requests.clear()
    with monkeypatch.context() as hasty, pytest.raises(Unavailable):
        hasty.setattr("services.bus.journal.PATIENCE_S", 0.2)
        hasty.setattr("services.bus.journal._ANSWER_TIMEOUT_S", 0.2)
        await journal.write(events(bus, 1))
    proxy.requests.set()
    await until(lambda: stored(own_bus), "the late write")
    with pytest.raises(Superseded):
        await journal.write(events(bus, 2))
    assert [1] == await stored(own_bus)


async def test_a_late_batch_does_not_fit_behind_a_successor(proxied, own_bus):
    proxy, bus = proxied
    journal = await journal_of(bus)
    proxy.requests.clear()
    late = asyncio.create_task(journal.write(events(bus, *range(6))))
    await asyncio.sleep(0.1)
    await (await journal_of(own_bus)).write(events(own_bus, 100, 101))
    proxy.requests.set()
    with pytest.raises(Superseded):
        await late
    assert [100, 101] == await stored(own_bus)


@pytest.mark.parametrize("size", [1, 300])
async def test_writes_survive_crashes_of_nats(nats, own_bus, size):
    journal = await journal_of(own_bus)
    numbers = iter(range(100_000))

    async def write_on() -> None:
        while True:
            await journal.write(events(own_bus, *(next(numbers) for _ in range(size))))

    async def some_more() -> None:
        seen = journal.last
        await until(lambda: journal.last > seen + size, "writes")

    writing = asyncio.create_task(write_on())
    for _ in range(3):
        await some_more()
        nats.kill()
        nats.start()
    await some_more()
    writing.cancel()
    await asyncio.wait({writing})
    there = await stored(own_bus)
    assert list(range(len(there))) == there


async def test_a_cancelled_write_ends_at_once(nats, own_bus):
    journal = await journal_of(own_bus)
    nats.pause()
    try:
        writing = asyncio.create_task(journal.write(events(own_bus, *range(BATCH_MAX))))
        await asyncio.sleep(0.1)
        writing.cancel()
        await asyncio.wait({writing}, timeout=60)
        assert writing.cancelled()
    finally:
        nats.resume()


async def test_a_write_gives_up_when_nats_stays_away(nats, own_bus, monkeypatch):
    monkeypatch.setattr("services.bus.journal.PATIENCE_S", 0.3)
    journal = await journal_of(own_bus)
    nats.kill()
    with pytest.raises(Unavailable, match="cannot write to FUNSWARM_EVENTS"):
        await journal.write(events(own_bus, 1))


# Reading.
async def test_reading_begins_where_it_is_asked_to(bus, journal):
    await journal.write(events(bus, *range(10)))
    assert [7, 8, 9] == await stored(bus, from_sequence=8)


async def test_reading_an_empty_stream_gives_nothing(bus):
    assert [] == await stored(bus)


async def test_reading_beyond_the_end_gives_nothing(bus, journal):
    await journal.write(events(bus, 1))
    assert [] == await stored(bus, from_sequence=7)


async def test_reading_takes_only_the_subjects_that_are_asked_for(bus, journal):
    await journal.write([event(bus, 1), event(bus, 2, "removed"), event(bus, 3)])
    assert [2] == await stored(bus, subject=bus.subjects.events("service", "removed"))


async def test_reading_passes_over_deleted_messages(bus, journal):
    await journal.write(events(bus, 1, 2, 3))
    for sequence in (2, 3):
        await call(bus.link, f"STREAM.MSG.DELETE.{bus.subjects.events_stream}", {"seq": sequence})
    assert [1] == await stored(bus)


async def test_reading_ends_at_what_was_last_at_its_start(bus, journal):
    await journal.write(events(bus, 1, 2))
    seen = []
    async for one in read_stream(bus, bus.subjects.events_stream):
        seen.append(int(one.body))
        await journal.write(events(bus, 100 + len(seen)))
    assert [1, 2] == seen


async def test_reading_gives_the_messages_own_headers(bus, journal):
    await journal.write(events(bus, 1))
    one = await anext(read_stream(bus, bus.subjects.events_stream))
    assert {"Nats-Msg-Id", MARK_HEADER} <= set(one.headers)
    assert "Nats-Sequence" not in one.headers


async def test_reading_goes_on_after_a_crash_of_nats(nats, own_bus):
    await (await journal_of(own_bus)).write(events(own_bus, *range(2000)))
    seen = []
    async for one in read_stream(own_bus, own_bus.subjects.events_stream):
        seen.append(int(one.body))
        if len(seen) in (100, 700):
            nats.kill()
            nats.start()
    assert list(range(2000)) == seen


async def test_reading_a_stream_that_is_not_there_fails(bus):
    with pytest.raises(PermanentError, match="stream not found"):
        await anext(read_stream(bus, "NOWHERE"))
