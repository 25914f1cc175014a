"""GET /v1/events: what is asked of the feed, and how it ends."""

import asyncio
import json

import pytest

from funswarm.changes import Changed, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.errors import Failed, Relist, Unavailable
from tests.builders import a_service
from tests.unit.api.fakes import FakeFeed

ITEMS = (
    SnapshotBegin(),
    Snapshotted(a_service("web")),
    SnapshotEnd(7),
    Changed(8, "service", "updated", b'{"id":"x"}'),
)


class EndingFeed(FakeFeed):
    """Stops the server once its items are out: httpx's ASGITransport gives a body only when it has ended."""

    def __init__(self, items, stopping):
        super().__init__(items, sequence=8)
        self._stopping = stopping

    async def next(self, timeout_s):
        item = await super().next(timeout_s)
        if item is None:
            self._stopping.set()
        return item


@pytest.fixture
def feed(client, stopping):
    client.feed = EndingFeed(ITEMS, stopping)
    return client.feed


async def test_a_browser_gets_server_sent_events(http, feed):
    answer = await http.get("/v1/events")

    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert 'id: 8\nevent: change\ndata: {"id":"x"}\n\n' in answer.text
    assert "content-length" not in answer.headers


async def test_a_program_gets_lines_of_json(http, feed):
    answer = await http.get("/v1/events", headers={"Accept": "application/x-ndjson"})

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert ["snapshot-begin", "state", "snapshot-end", "change"] == [line["type"] for line in lines[:4]]
    assert {"type": "change", "sequence": 8, "data": {"id": "x"}} == lines[3]


async def test_the_feed_is_closed_with_the_stream(http, feed):
    await http.get("/v1/events")

    assert feed.closed


async def test_the_selection_is_handed_on(http, client, feed):
    await http.get("/v1/events?kinds=service,task&kinds=node&names=web&actions=created&since=10m")

    selection = {"kinds": ["service", "task", "node"], "names": ["web"], "actions": ["created"], "since": "10m"}
    assert [selection] == client.asked


async def test_the_last_event_id_wins_over_since(http, client, feed):
    await http.get("/v1/events?since=10m", headers={"Last-Event-ID": "8"})

    assert "8" == client.asked[0]["since"]


async def test_a_last_event_id_that_is_no_sequence_is_400(http):
    assert 400 == (await http.get("/v1/events", headers={"Last-Event-ID": "x"})).status_code


async def test_a_sequence_that_is_gone_is_410_with_the_way_out(http, client):
    client.feed = FakeFeed(refusal=Relist("it begins at 100"))

    answer = await http.get("/v1/events?since=5")

    assert (410, "gone") == (answer.status_code, answer.json()["code"])
    assert "begin anew" in answer.json()["detail"]
    assert client.feed.closed


async def test_without_nats_the_stream_does_not_begin(http, client):
    client.feed = FakeFeed(refusal=Unavailable("NATS is away"))

    assert 503 == (await http.get("/v1/events")).status_code


async def test_a_feed_that_cannot_go_on_ends_with_its_reason(http, client):
    class Broken(FakeFeed):
        async def next(self, timeout_s):
            raise Failed("event 9 is not understood")

    client.feed = Broken()

    answer = await http.get("/v1/events")

    assert 'event: failed\ndata: {"reason": "event 9 is not understood"}\n\n' in answer.text


async def test_a_stream_beyond_the_bound_is_refused(app, client, http, stopping):
    first = asyncio.ensure_future(http.get("/v1/events"))
    while not app._figures.open_streams:
        await asyncio.sleep(0)

    assert 503 == (await http.get("/v1/events")).status_code

    stopping.set()
    assert 200 == (await first).status_code
