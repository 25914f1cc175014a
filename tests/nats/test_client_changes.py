"""The feed: a snapshot, then every event once and in order, whatever NATS does."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from funswarm.changes import Changed, Relisted, SnapshotBegin
from funswarm.client import Client
from funswarm.errors import PermanentError, Relist, Unavailable
from services.bus.jetstream import call
from tests.builders import a_node, a_service
from tests.nats.client_scene import next_change, publish_both, publish_event, publish_state, snapshot_of
from tests.proxy import Proxy
from tests.waiting import PATIENCE_S, until


def web(revision=0):
    return a_service("web", version=10 + revision, revision=revision)


async def purge(bus):
    await call(bus.link, f"STREAM.PURGE.{bus.subjects.events_stream}")


# The snapshot.
async def test_it_begins_with_what_there_is_and_goes_on_with_what_changes(bus, client):
    await publish_both(bus, None, web(), "created")
    async with aclosing(client.changes()) as feed:
        assert SnapshotBegin() == await anext(feed)
        assert (["web"], 1) == await snapshot_of(feed)
        await publish_event(bus, web(), web(1))

        change = await next_change(feed)

    assert (2, "service", "updated", web(1)) == (change.sequence, change.kind, change.action, change.event.after)


async def test_an_empty_swarm_is_an_empty_snapshot(client):
    async with aclosing(client.changes()) as feed:
        assert ([], 0) == await snapshot_of(feed)


async def test_the_snapshot_has_the_events_that_the_bucket_lacks(bus, client):
    await publish_both(bus, None, web(), "created")
    await publish_event(bus, None, a_service("api"), "created")
    await publish_event(bus, web(), None, "removed")
    async with aclosing(client.changes()) as feed:
        assert (["api"], 3) == await snapshot_of(feed)


async def test_what_was_removed_is_not_in_the_snapshot(bus, client):
    await publish_both(bus, None, web(), "created")
    await publish_state(bus, web(), await publish_event(bus, web(), None, "removed"), gone=True)
    async with aclosing(client.changes()) as feed:
        assert ([], 2) == await snapshot_of(feed)


async def test_an_object_created_and_removed_before_is_no_news(bus, client):
    """Also where the bucket knows nothing of it any more: markers of deletion expire."""
    await publish_event(bus, None, web(), "created")
    await publish_event(bus, web(), None, "removed")
    async with aclosing(client.changes()) as feed:
        assert ([], 2) == await snapshot_of(feed)
        await publish_event(bus, None, a_service("api"), "created")
        assert 3 == (await next_change(feed)).sequence


async def test_a_selection_holds_for_snapshot_and_events(bus, client):
    for state in (web(), a_service("api"), a_node("web")):
        await publish_both(bus, None, state, "created")
    async with aclosing(client.changes(kinds=["service"], names=["web"])) as feed:
        assert (["web"], 3) == await snapshot_of(feed)
        await publish_event(bus, a_node("web"), a_node("web", revision=1))
        await publish_event(bus, web(), web(1))
        assert 5 == (await next_change(feed)).sequence


async def test_kinds_of_the_future_are_passed_over(bus, client):
    """In the bucket, among the events that it lacks, and as they come."""
    subjects, odd = bus.subjects, b'{"kind": "volume"}'
    await publish_both(bus, None, web(), "created")
    await bus.publish(subjects.state("volume", "v"), odd, {"Nats-Msg-Id": "v"}, f"KV_{subjects.state_bucket}")
    for number in range(2):
        event = subjects.event("volume", "created", "v")
        await bus.publish(event, odd, {"Nats-Msg-Id": f"v{number}"}, subjects.events_stream)
    async with aclosing(client.changes()) as feed:
        assert (["web"], 3) == await snapshot_of(feed)
        await bus.publish(event, odd, {"Nats-Msg-Id": "v3"}, subjects.events_stream)
        await publish_event(bus, web(), web(1))
        assert 5 == (await next_change(feed)).sequence


# Resuming.
async def test_a_sequence_is_resumed_after(bus, client):
    for revision in range(5):
        await publish_event(bus, web(revision - 1) if revision else None, web(revision))
    async with aclosing(client.changes(since=2)) as feed:
        assert [3, 4, 5] == [(await next_change(feed)).sequence for _ in range(3)]


async def test_a_time_is_resumed_from(bus, client):
    await publish_event(bus, None, web(), "created")
    now = datetime.now(UTC)
    await publish_event(bus, web(), web(1))
    async with aclosing(client.changes(since=now)) as feed:
        assert 2 == (await next_change(feed)).sequence


async def test_a_time_before_the_oldest_event_begins_with_that(bus, client):
    await publish_event(bus, None, web(), "created")
    async with aclosing(client.changes(since="10h")) as feed:
        assert 1 == (await next_change(feed)).sequence


async def test_what_follows_a_sequence_that_is_gone_is_relisted(bus, client):
    await publish_both(bus, None, web(), "created")
    await publish_both(bus, web(), web(1))
    await purge(bus)
    async with aclosing(client.changes(since=1)) as feed:
        assert isinstance(await anext(feed), Relisted)
        assert (["web"], 2) == await snapshot_of(feed)


async def test_a_sequence_that_never_was_is_relisted(client):
    async with aclosing(client.changes(since=1000)) as feed:
        assert isinstance(await anext(feed), Relisted)


async def test_opening_says_that_the_start_is_gone(client):
    async with aclosing(client.changes(since=1000)) as feed:
        with pytest.raises(Relist, match="another one"):
            await feed.open()


async def test_opening_loses_nothing(bus, client):
    await publish_event(bus, None, web(), "created")
    async with aclosing(client.changes(since=0)) as feed:
        await feed.open()
        assert 1 == (await next_change(feed)).sequence


async def test_a_bounded_wait_loses_nothing(bus, client):
    async with aclosing(client.changes(since=0)) as feed:
        assert await feed.next(0.01) is None
        await publish_event(bus, None, web(), "created")
        item = await feed.next(PATIENCE_S)
    assert isinstance(item, Changed)


async def test_behind_a_filter_the_place_moves_on_with_the_stream(bus, client):
    async with aclosing(client.changes(kinds=["node"], since=0)) as feed:
        await feed.open()
        for revision in range(3):
            await publish_event(bus, None, web(revision))

        async def place():
            await feed.next(0.05)
            return feed.sequence == 3

        await until(place, "the place to move on")


async def test_without_the_streams_it_says_so(shared_nats):
    async with Client(shared_nats.url, prefix="nobody") as client, aclosing(client.changes(since=0)) as feed:
        with pytest.raises(Unavailable, match="NOBODY_EVENTS"):
            await anext(feed)


# Trouble.
@pytest.mark.parametrize("how", ["kill", "stop", "pause"])
async def test_trouble_with_nats_makes_no_gap_and_no_duplicate(nats, own_bus, own_client, how):
    seen: list[int] = []

    async def read(feed):
        async for item in feed:
            seen.append(item.sequence)  # noqa: PERF401  as they come

    async with aclosing(own_client.changes(since=0)) as feed:
        reading = asyncio.create_task(read(feed))
        for revision in range(30):
            if revision in (10, 20):
                getattr(nats, how)()
                await asyncio.sleep(0.2)
                nats.resume() if how == "pause" else nats.start()
                await until(lambda: own_bus.connected, "the bus to be back")
            await publish_event(own_bus, None, web(revision))
        await until(lambda: len(seen) >= 30, "all events")
        reading.cancel()
        await asyncio.wait({reading})
    assert list(range(1, 31)) == seen


async def test_a_reader_whose_events_were_dropped_gets_a_new_snapshot(nats, own_bus):
    await publish_both(own_bus, None, a_node("alpha"), "created")
    async with (
        Proxy(nats.port) as proxy,
        Client(f"nats://127.0.0.1:{proxy.port}") as client,
        aclosing(client.changes(kinds=["node"])) as feed,
    ):
        await snapshot_of(feed)
        proxy.requests.clear()
        proxy.answers.clear()
        await publish_both(own_bus, a_node("alpha"), a_node("alpha", revision=1))
        await publish_both(own_bus, None, web(), "created")
        await purge(own_bus)
        await proxy.cut()

        async with asyncio.timeout(PATIENCE_S):
            assert isinstance(await anext(feed), Relisted)
        assert (["alpha"], 3) == await snapshot_of(feed)


async def test_a_stream_that_is_made_anew_is_relisted(bus, client):
    await publish_both(bus, None, web(), "created")
    async with aclosing(client.changes()) as feed:
        await snapshot_of(feed)
        await call(bus.link, f"STREAM.DELETE.{bus.subjects.events_stream}")
        await bus.declare()
        await publish_both(bus, None, a_service("api"), "created")
        async with asyncio.timeout(PATIENCE_S):
            assert isinstance(await anext(feed), Relisted)
        assert (["api", "web"], 1) == await snapshot_of(feed)


async def test_a_feed_ends_with_its_client(bus, shared_nats, prefix):
    async with Client(shared_nats.url, prefix=prefix) as client:
        feed = client.changes(since=0)
        await feed.open()
    with pytest.raises(PermanentError, match="closed"):
        await feed.next(PATIENCE_S)


async def test_many_events_come_all_and_in_order(bus, client):
    count, at_once = 3000, 100

    async def publish():
        for first in range(0, count, at_once):
            await asyncio.gather(*(publish_event(bus, None, web(number)) for number in range(first, first + at_once)))

    publishing = asyncio.create_task(publish())
    async with aclosing(client.changes(since=0)) as feed:
        assert list(range(1, count + 1)) == [(await next_change(feed)).sequence for _ in range(count)]
    await publishing
