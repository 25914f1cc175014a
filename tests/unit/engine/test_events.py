"""The event stream: hints as the engines of all times spell them, and an end with a reason, whatever ends it."""

import asyncio
import json
import queue
from collections.abc import Callable
from typing import Any, Self, cast

import pytest
import urllib3
from urllib3 import BaseHTTPResponse

from funswarm.errors import Unavailable
from services.engine.events import HINTS_MAX, EventStream, Hint, LocalStream, ThreadedStream, understood_hint
from tests.waiting import until

KINDS = frozenset({"service", "node"})
EVENT = {
    "Type": "service",
    "Action": "update",
    "Actor": {"ID": "s1", "Attributes": {"name": "web", "replicas.new": "3"}},
    "scope": "swarm",
    "time": 1,
    "timeNano": 1_000_000_007,
}
HINT = Hint(kind="service", action="update", object_id="s1", name="web", time_ns=1_000_000_007)


def line(**others: Any) -> bytes:
    return json.dumps(EVENT | others).encode() + b"\n"


class FakeResponse:
    """A response whose body is fed by the test; an exception fed is raised, b"" is the end."""

    def __init__(self) -> None:
        self.fed: queue.Queue[bytes | Exception] = queue.Queue()
        self.was_closed = False

    def read1(self, _amount: int) -> bytes:
        data = self.fed.get()
        if isinstance(data, Exception):
            raise data
        return data

    def shutdown(self) -> None:
        self.fed.put(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.was_closed = True


def a_stream(*fed: bytes | Exception) -> tuple[EventStream, FakeResponse]:
    response = FakeResponse()
    for data in fed:
        response.fed.put(data)
    return ThreadedStream(lambda: cast("BaseHTTPResponse", response), ("service", "node"), 60.0), response


async def reason_of(stream: EventStream) -> str:
    with pytest.raises(Unavailable) as caught:
        [hint async for hint in stream]
    return str(caught.value)


def test_an_event_is_a_hint():
    assert HINT == understood_hint(line(), KINDS)


def test_an_event_of_an_old_engine_is_the_same_hint():
    assert HINT == understood_hint(line(status="update", id="s1"), KINDS)


@pytest.mark.parametrize("other", [b"", b"  \r", line(Type="container")])
def test_empty_lines_and_other_kinds_are_passed_over(other):
    assert understood_hint(other, KINDS) is None


@pytest.mark.parametrize("garbage", [b"{", b"[]", b"{}", b"7", b'{"Actor":{}}', b'{"message":"no"}', b"\xff"])
def test_garbage_is_no_event(garbage):
    with pytest.raises(ValueError):
        understood_hint(garbage, KINDS)


async def test_hints_come_however_the_bytes_are_cut():
    body = line() + b"\n" + line(Action="remove")
    stream, _ = a_stream(body[:5], body[5:90], body[90:])
    assert ["update", "remove"] == [(await anext(stream)).action, (await anext(stream)).action]
    stream.close()


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (b"", "ended its event stream"),
        (b"garbage\n", "not understood"),
        (b'{"Type":"service","Actor":{"ID":"x","Attributes":[1]}}\n', "not understood"),
        (b"x" * (2 << 20), "not understood"),
        (urllib3.exceptions.ProtocolError("cut"), "broke"),
        (urllib3.exceptions.ReadTimeoutError(None, "", ""), "silent for too long"),  # type: ignore[arg-type]
        (ConnectionResetError("reset by peer"), "reset by peer"),
    ],
)
async def test_a_stream_ends_with_its_reason_after_all_hints(last, expected):
    stream, response = a_stream(line(), last)
    assert HINT == await anext(stream)
    assert expected in await reason_of(stream)
    await until(lambda: response.was_closed, "the response is closed")


async def test_the_reason_stays_for_whoever_asks_again():
    stream, _ = a_stream(b"")
    assert await reason_of(stream) == await reason_of(stream)


async def test_a_closed_stream_simply_ends():
    stream, response = a_stream()
    await stream.opened()
    asyncio.get_running_loop().call_soon(stream.close)
    assert [] == [hint async for hint in stream]
    await until(lambda: response.was_closed, "the response is closed")


async def test_closing_twice_is_well():
    stream, _ = a_stream()
    stream.close()
    stream.close()
    assert [] == [hint async for hint in stream]


async def test_an_engine_that_is_away_is_told_by_opening():
    def away() -> BaseHTTPResponse:
        raise Unavailable("the engine is away")

    stream = ThreadedStream(away, ("service",), 60.0)
    with pytest.raises(Unavailable, match="is away"):
        await stream.opened()
    assert "the engine is away" == await reason_of(stream)


async def test_a_stream_that_does_not_open_in_time_is_closed():
    gate: queue.Queue[Any] = queue.Queue()
    response = FakeResponse()
    stream = ThreadedStream(gate.get, ("service",), 0.01)
    with pytest.raises(Unavailable, match="opened no event stream"):
        await stream.opened()
    gate.put(response)
    await until(lambda: response.was_closed, "the late response is closed")


async def test_a_reader_that_is_too_slow_is_told_so():
    stream, response = a_stream(line() * HINTS_MAX, line())
    await until(lambda: response.was_closed, "the stream is given up")
    assert "faster than they are read" in await reason_of(stream)


def container(attributes: dict[str, str]) -> bytes:
    actor = {"ID": "c1", "Attributes": attributes}
    return json.dumps({"Type": "container", "Action": "die", "Actor": actor, "timeNano": 7}).encode()


def test_a_task_s_container_hints_at_its_service():
    event = container({"com.docker.swarm.service.id": "s1", "name": "web.1.t1"})

    assert Hint("container", "die", "s1", "web.1.t1", 7) == understood_hint(event, frozenset({"container"}))


def test_a_container_of_no_service_is_no_hint():
    assert understood_hint(container({"name": "alone"}), frozenset({"container"})) is None


async def a_local_stream(*bits: bytes) -> LocalStream:
    async def follow(accepted: Callable[[], None], take: Callable[[bytes], None]) -> None:
        accepted()
        for bit in bits:
            take(bit)

    stream = LocalStream(follow, ("service", "node"), 60.0)
    await stream.opened()
    return stream


async def test_on_the_event_loop_too_hints_come_however_the_bytes_are_cut():
    body = line() + b"\n" + line(Action="remove")
    stream = await a_local_stream(body[:5], body[5:90], body[90:])
    assert ["update", "remove"] == [(await anext(stream)).action, (await anext(stream)).action]


@pytest.mark.parametrize(
    ("last", "expected"),
    [(b"", "ended its event stream"), (b"garbage\n", "not understood"), (b"x" * (2 << 20), "not understood")],
)
async def test_on_the_event_loop_too_a_stream_ends_with_its_reason_after_all_hints(last, expected):
    stream = await a_local_stream(line(), last)
    assert HINT == await anext(stream)
    assert expected in await reason_of(stream)


async def test_on_the_event_loop_too_a_closed_stream_simply_ends():
    async def follow(accepted: Callable[[], None], _: Callable[[bytes], None]) -> None:
        accepted()
        await asyncio.Event().wait()

    stream = LocalStream(follow, ("service",), 60.0)
    await stream.opened()
    asyncio.get_running_loop().call_soon(stream.close)
    assert [] == [hint async for hint in stream]
    await until(stream._task.done, "it reads no more")


async def test_on_the_event_loop_too_an_engine_that_is_away_is_told_by_opening():
    async def follow(_: Callable[[], None], __: Callable[[bytes], None]) -> None:
        raise Unavailable("the engine is away")

    with pytest.raises(Unavailable, match="is away"):
        await LocalStream(follow, ("service",), 60.0).opened()
