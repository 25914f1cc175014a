"""GET /v1/events over real HTTP: resumed by id, ended with its reader, alive through a restart of NATS."""

import asyncio

import pytest

from services.bus.jetstream import call
from tests.builders import a_service
from tests.nats.api_scene import lines, serving
from tests.nats.client_scene import publish_both, publish_event
from tests.waiting import PATIENCE_S, until


@pytest.fixture
async def http(shared_nats, bus, prefix):
    async with serving(shared_nats.url, prefix) as http:
        yield http


def web(revision=0):
    return a_service("web", version=10 + revision, revision=revision)


async def frames(response, count):
    """The first `count` events of a browser's stream, each as its fields."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        async for line in response.aiter_lines():
            if not line and "event" in fields:
                found.append(fields)
                if len(found) == count:
                    return found
            name, _, value = line.partition(":")
            fields = {**fields, name: value.strip()} if line else {}
    raise AssertionError(f"the stream ended after {found}")


async def test_it_begins_with_a_snapshot_and_goes_on_with_changes(bus, http):
    await publish_both(bus, None, web(), "created")
    async with lines(http) as stream:
        assert "snapshot-begin" == (await stream.next())["type"]
        assert "web" == (await stream.next())["data"]["name"]
        assert {"type": "snapshot-end", "sequence": 1, "data": {}} == await stream.next()
        await publish_event(bus, web(), web(1))

        change = await stream.next()

    assert ("change", 2, "updated") == (change["type"], change["sequence"], change["data"]["action"])


async def test_a_browser_resumes_after_the_last_event_id(bus, http):
    for revision in range(3):
        await publish_event(bus, web(revision - 1) if revision else None, web(revision))
    async with http.stream("GET", "/v1/events", headers={"Last-Event-ID": "1"}) as response:
        assert ["2", "3"] == [frame["id"] for frame in await frames(response, 2)]


async def test_a_selection_is_kept(bus, http):
    await publish_event(bus, None, web())
    await publish_event(bus, None, a_service("api"))
    async with lines(http, "/v1/events?names=api&since=0") as stream:
        assert 2 == (await stream.next())["sequence"]


async def test_an_id_that_is_gone_is_410(bus, http):
    await publish_event(bus, None, web())
    await publish_event(bus, web(), web(1))
    await call(bus.link, f"STREAM.PURGE.{bus.subjects.events_stream}")

    answer = await http.get("/v1/events", headers={"Last-Event-ID": "1"})

    assert (410, "gone") == (answer.status_code, answer.json()["code"])


async def test_a_kind_that_is_none_is_400(bus, http):
    answer = await http.get("/v1/events", params={"kinds": "service,tasks"})

    assert (400, "invalid") == (answer.status_code, answer.json()["code"])
    assert answer.json()["detail"].startswith("kinds tasks: choose from service, task, node")


async def test_a_time_to_come_is_400(bus, http):
    answer = await http.get("/v1/events", params={"since": "2999-01-01T00:00:00Z"})

    assert (400, "invalid") == (answer.status_code, answer.json()["code"])
    assert "is in the future" in answer.json()["detail"]


async def test_a_reader_that_goes_takes_its_consumer_along(bus, http, monkeypatch):
    monkeypatch.setattr("funswarm.reading.INACTIVE_S", 2.0)

    async def consumers():
        return (await call(bus.link, f"STREAM.INFO.{bus.subjects.events_stream}"))["state"]["consumer_count"]

    async with lines(http, "/v1/events?since=0"):
        assert 1 == await consumers()

    async def closed():
        return "funswarm_api_event_streams{" in (text := (await http.get("/metrics")).text) and "} 0.0" in next(
            line for line in text.splitlines() if line.startswith("funswarm_api_event_streams{")
        )

    await until(closed, "the stream to be closed")
    await until(lambda: _none(consumers), "the consumer to be gone")


async def _none(consumers):
    return await consumers() == 0


async def test_streams_end_when_the_process_does(shared_nats, bus, prefix):
    stop = asyncio.Event()
    async with serving(shared_nats.url, prefix, stop) as http, http.stream("GET", "/v1/events?since=0") as response:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            assert await response.aread()


async def test_a_restart_of_nats_makes_no_gap_and_no_duplicate(nats, own_bus):
    async with serving(nats.url) as http, lines(http, "/v1/events?since=0") as stream:
        for revision in range(10):
            if revision == 5:
                nats.kill()
                nats.start()
                await until(lambda: own_bus.connected, "the bus to be back")
            await publish_event(own_bus, None, web(revision))

        assert list(range(1, 11)) == [(await stream.until("change"))["sequence"] for _ in range(10)]


async def test_many_readers_get_every_event(bus, http):
    async def read(count):
        async with lines(http, "/v1/events?since=0") as stream:
            return [(await stream.next())["sequence"] for _ in range(count)]

    reading = [asyncio.create_task(read(50)) for _ in range(20)]
    for revision in range(50):
        await publish_event(bus, None, web(revision))

    assert [list(range(1, 51))] * 20 == await asyncio.gather(*reading)
