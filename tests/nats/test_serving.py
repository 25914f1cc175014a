"""Answering requests: as a NATS micro service that tools find, and by every copy; errors, load, stopping."""

import asyncio
import json
from contextlib import suppress

import pytest

from funswarm.errors import PermanentError, Refused, Unavailable
from funswarm.messages import Code
from services.bus.connection import Bus
from services.bus.serving import AT_ONCE_MAX, CODE_HEADER, ERROR_HEADER
from tests.waiting import until


async def echo(body: bytes) -> bytes:
    return body


async def serve(bus: Bus, handler=echo, name: str = "services"):
    return await bus.serve("test-poller", {bus.subjects.query(name): handler}, "1.2.3")


async def ask(bus: Bus, body: bytes = b"", name: str = "services") -> bytes:
    return await bus.request(bus.subjects.query(name), body, 60)


async def headers_of_answer(bus: Bus) -> dict[str, str]:
    return (await bus.link.request(bus.subjects.query("services"), b"", 60)).headers or {}


@pytest.fixture
async def asker(shared_nats, connect, prefix):
    return await connect(shared_nats, prefix=prefix)


async def test_a_request_is_answered(bus, asker):
    await serve(bus)
    assert b"hello" == await ask(asker, b"hello")


async def test_requests_do_not_wait_for_each_other(bus, asker):
    slow, gate = 0, asyncio.Event()

    async def wait(body: bytes) -> bytes:
        nonlocal slow
        if body == b"slow":
            slow += 1
            await gate.wait()
        return body

    await serve(bus, wait)
    asking = asyncio.create_task(ask(asker, b"slow"))
    await until(lambda: slow, "the slow request")
    assert b"fast" == await ask(asker, b"fast")
    gate.set()
    assert b"slow" == await asking


async def test_a_refusal_is_answered_with_its_reason_and_code(bus, asker):
    async def refuse(_: bytes) -> bytes:
        raise Refused("not now:\nlater", Code.ROLLOUT)

    await serve(bus, refuse)
    headers = await headers_of_answer(asker)
    assert ("not now: later", "rollout-in-progress") == (headers[ERROR_HEADER], headers[CODE_HEADER])


async def test_an_error_answer_is_raised_by_request(bus, asker):
    async def refuse(_: bytes) -> bytes:
        raise Refused("not now", Code.ROLLOUT)

    await serve(bus, refuse)
    with pytest.raises(PermanentError, match="not now"):
        await ask(asker)


async def test_a_fault_is_answered_without_its_inner_text(bus, asker):
    async def fail(_: bytes) -> bytes:
        raise KeyError("secret")

    await serve(bus, fail)
    headers = await headers_of_answer(asker)
    assert ("internal", False) == (headers[CODE_HEADER], "secret" in headers[ERROR_HEADER])


async def test_an_answer_that_is_too_large_is_an_error_answer(bus, asker):
    async def huge(_: bytes) -> bytes:
        return b"x" * 2**21

    await serve(bus, huge)
    assert "that NATS takes" in (await headers_of_answer(asker))[ERROR_HEADER]


async def test_too_many_requests_at_once_are_told_to_come_again(bus, asker):
    gate = asyncio.Event()

    async def wait(body: bytes) -> bytes:
        await gate.wait()
        return body

    await serve(bus, wait)
    asking = [asyncio.create_task(ask(asker)) for _ in range(AT_ONCE_MAX + 1)]
    done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    assert ["busy" in str(task.exception()) for task in done] == [True]
    await asyncio.gather(*asking, return_exceptions=True)


async def test_stopping_finishes_what_was_asked(bus, asker):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def wait(body: bytes) -> bytes:
        begun.set()
        await gate.wait()
        return body

    served = await serve(bus, wait)
    asking = asyncio.create_task(ask(asker, b"in flight"))
    await begun.wait()
    stopping = asyncio.create_task(served.stop())
    await asyncio.sleep(0.1)
    gate.set()
    await stopping
    assert b"in flight" == await asking


async def test_nobody_answers_after_stopping(bus, asker):
    served = await serve(bus)
    await served.stop()
    with pytest.raises(Unavailable, match="nobody answers"):
        await ask(asker)


async def test_no_request_is_lost_while_one_copy_takes_over_from_another(bus, asker):
    first = await serve(bus)
    asking = [asyncio.create_task(ask(asker, str(n).encode())) for n in range(100)]
    await serve(asker)
    await first.stop()
    assert [str(n).encode() for n in range(100)] == await asyncio.gather(*asking)


async def test_a_request_goes_to_one_copy_only(bus, asker):
    for copy in (bus, asker):
        await serve(copy)

    async def gathered() -> list[bytes]:
        answers: list[bytes] = await asker.gather(asker.subjects.query("services"), b"x", 0.3, lambda _: False)
        return answers

    assert [b"x"] == await until(gathered, "an answer in so short a time")


async def test_serving_goes_on_after_a_restart_of_nats(nats, own_bus):
    await serve(own_bus)
    nats.kill()
    nats.start()

    async def answered() -> bool:
        with suppress(Unavailable):
            return await ask(own_bus, b"again") == b"again"
        return False

    await until(answered, "an answer")


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
async def test_tools_find_the_service(bus, asker, verb):
    await serve(bus)
    answer = json.loads(await asker.request(f"$SRV.{verb}.test-poller", b"", 60))
    assert ("test-poller", "1.2.3", f"io.nats.micro.v1.{verb.lower()}_response") == (
        answer["name"],
        answer["version"],
        answer["type"],
    )


async def test_its_statistics_count_requests_and_errors(bus, asker):
    async def odd(body: bytes) -> bytes:
        if body == b"bad":
            raise Refused("bad", Code.INVALID)
        return body

    await serve(bus, odd)
    await ask(asker, b"good")
    with pytest.raises(PermanentError):
        await ask(asker, b"bad")
    (endpoint,) = json.loads(await asker.request("$SRV.STATS.test-poller", b"", 60))["endpoints"]
    assert (2, 1, "bad") == (endpoint["num_requests"], endpoint["num_errors"], endpoint["last_error"])


async def test_every_copy_answers_what_is_asked_of_all(bus, asker):
    for copy in (bus, asker):
        await copy.answer_all(copy.subjects.part_health, echo)
    assert 2 == len(await asker.gather(asker.subjects.part_health, b"x", 60, lambda all_: len(all_) == 2))
