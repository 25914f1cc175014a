"""The connection, the streams, publishing, asking: against a real nats-server."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from nats.aio.msg import Msg

from funswarm.errors import PermanentError, Unavailable
from funswarm.messages import PartHealth
from services.bus.answers import NobodyAnswers
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.link import Link
from services.bus.part import answer_for
from services.bus.settings import NatsSettings
from tests.proxy import Proxy
from tests.servers import free_port, nats_server
from tests.waiting import PATIENCE_S, until


def command(bus, number: int):
    return {
        "subject": bus.subjects.command("scale", "web"),
        "body": b"{}",
        "headers": {"Nats-Msg-Id": f"c{number}"},
        "expect_stream": bus.subjects.commands_stream,
    }


async def info(bus, stream: str):
    return await call(bus.link, f"STREAM.INFO.{stream}")


# Connecting.
async def test_no_nats_is_unavailable_after_the_time_to_connect():
    settings = NatsSettings(url=f"nats://127.0.0.1:{free_port()}", connect_timeout_s=0.5)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await Bus.connect(settings, "test")


async def test_a_nats_that_comes_while_one_waits_is_taken(nats):
    nats.stop()
    connecting = asyncio.create_task(Bus.connect(NatsSettings(url=nats.url, connect_timeout_s=60), "test"))
    await asyncio.sleep(0.5)
    nats.start()
    bus = await connecting
    assert bus.connected
    await bus.close()


def cutting(monkeypatch, proxy: Proxy, *, at: int) -> None:
    """NATS goes away in the middle of the subscription of that number, the first being 1."""
    barrier, left = Link.barrier, at

    async def cut(link):
        nonlocal left
        left -= 1
        if left == 0:
            await proxy.cut()
        await barrier(link)

    monkeypatch.setattr(Link, "barrier", cut)


async def heard(message: Msg) -> None:
    pytest.fail(f"nobody asked for {message.subject}")


async def test_a_nats_that_goes_away_while_one_connects_is_waited_for(nats, monkeypatch):
    async with Proxy(nats.port) as proxy:
        cutting(monkeypatch, proxy, at=1)
        bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{proxy.port}", connect_timeout_s=60), "test")
        try:
            await bus.declare()
        finally:
            await bus.close()


@pytest.mark.parametrize("at", [1, 2])
async def test_a_part_answers_for_itself_though_nats_goes_away_as_it_begins(nats, monkeypatch, at):
    def health() -> PartHealth:
        return PartHealth(part="api", instance="i", version="0", started_at=datetime.now(UTC), active=True, ok=True)

    async with Proxy(nats.port) as proxy, AsyncExitStack() as stack:
        bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{proxy.port}", connect_timeout_s=60), "test")
        stack.push_async_callback(bus.close)
        cutting(monkeypatch, proxy, at=at)
        await answer_for(bus, stack, "i", health, lambda: b"")
        answers = await bus.gather(bus.subjects.part_health, b"", 60, enough=bool)
        assert ["i"] == [PartHealth.model_validate_json(answer).instance for answer in answers]


async def test_a_subscription_that_was_given_up_hears_nothing_later(nats, monkeypatch):
    async with Proxy(nats.port) as proxy:
        bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{proxy.port}", connect_timeout_s=60), "test")
        try:
            cutting(monkeypatch, proxy, at=1)
            with pytest.raises(Unavailable):
                await bus.link.subscribe("lost", heard)
            await until(lambda: bus.connected, "the connection")
            with pytest.raises(NobodyAnswers):
                await bus.link.request("lost")
        finally:
            await bus.close()


async def test_a_failed_connect_leaves_no_task():
    before = asyncio.all_tasks()
    settings = NatsSettings(url=f"nats://127.0.0.1:{free_port()}", connect_timeout_s=0.5)
    with pytest.raises(Unavailable):
        await Bus.connect(settings, "test")
    await until(lambda: asyncio.all_tasks() <= before, "all tasks to end")  # those of tests before may end meanwhile


async def test_close_leaves_no_task_while_nats_is_away(nats):
    before = asyncio.all_tasks()
    bus = await Bus.connect(NatsSettings(url=nats.url), "test")
    nats.kill()
    await until(lambda: not bus.connected, "the loss")
    await bus.close()
    await until(lambda: asyncio.all_tasks() <= before, "all tasks to end")  # those of tests before may end meanwhile


async def test_it_says_why_it_is_not_connected(nats, connect):
    bus = await connect(nats)
    nats.kill()
    await until(lambda: not bus.connected, "the loss")
    assert bus.why_not


async def test_it_is_back_after_a_restart_of_nats(nats, own_bus):
    nats.kill()
    nats.start()
    await until(lambda: own_bus.connected, "the connection")
    assert 1 == await own_bus.publish(**command(own_bus, 1))


async def test_a_silent_nats_is_noticed_by_pings(nats, own_bus):
    nats.pause()
    try:
        await until(lambda: not own_bus.connected, "the loss")
    finally:
        nats.resume()
    await until(lambda: own_bus.connected, "the connection")


async def test_who_waits_is_told_at_once_when_nats_dies(nats, own_bus):
    async def never(_: bytes) -> bytes:
        return await asyncio.Future()

    await own_bus.answer_all("slow", never)
    asking = asyncio.create_task(own_bus.request("slow", b"", timeout_s=600))
    await asyncio.sleep(0.1)
    nats.kill()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(asking, 60)


# Streams.
async def test_declaring_twice_changes_nothing(bus):
    before = (await info(bus, bus.subjects.events_stream))["config"]
    await bus.declare()
    assert before == (await info(bus, bus.subjects.events_stream))["config"]


async def test_other_settings_change_the_streams(shared_nats, connect, prefix):
    await (await connect(shared_nats, prefix=prefix)).declare()
    bus = await connect(shared_nats, prefix=prefix, events_max_age_s=60.0)
    await bus.declare()
    config = (await info(bus, bus.subjects.events_stream))["config"]
    assert (60 * 10**9, 60 * 10**9) == (config["max_age"], config["duplicate_window"])


async def test_a_nats_without_jetstream_is_refused_with_the_way_out(tmp_path, connect):
    with nats_server(tmp_path) as server:
        server.stop()
        server.configure("")
        server.start()
        with pytest.raises(PermanentError, match="without JetStream"):
            await (await connect(server)).declare()


async def test_an_old_nats_is_refused(bus, monkeypatch):
    monkeypatch.setattr(type(bus.link), "server_version", "2.11.4")
    with pytest.raises(PermanentError, match=r"2\.11\.4: Funswarm needs 2\.12"):
        await bus.declare()


# Publishing.
async def test_a_repeated_publish_is_stored_once(bus):
    assert [1, 1] == [await bus.publish(**command(bus, 7)) for _ in range(2)]


async def test_a_publish_without_an_id_is_refused(bus):
    with pytest.raises(ValueError, match="Nats-Msg-Id"):
        await bus.publish(**command(bus, 1) | {"headers": {}})


async def test_a_publish_into_another_stream_is_refused(bus):
    with pytest.raises(PermanentError, match="expected stream"):
        await bus.publish(**command(bus, 1) | {"expect_stream": bus.subjects.events_stream})


async def test_a_publish_waits_for_a_nats_that_comes_back(nats, own_bus, monkeypatch):
    monkeypatch.setattr("services.bus.jetstream.PUBLISH_PATIENCE_S", PATIENCE_S)
    nats.kill()
    publishing = asyncio.create_task(own_bus.publish(**command(own_bus, 1)))
    await asyncio.sleep(0.5)
    nats.start()
    assert 1 == await publishing


async def test_what_could_not_be_sent_is_not_sent_later(nats, own_bus):
    nats.kill()
    await until(lambda: not own_bus.connected, "the loss")
    with pytest.raises(Unavailable):
        await own_bus.send(own_bus.subjects.command("scale", "web"), b"{}")
    nats.start()
    await until(lambda: own_bus.connected, "the connection")
    assert 1 == await own_bus.publish(**command(own_bus, 1))


# Asking.
async def test_an_unanswered_request_ends_in_time(bus):
    async def never(_: bytes) -> bytes:
        return await asyncio.Future()

    served = await bus.answer_all(f"{bus.subjects.prefix}.slow", never)
    with pytest.raises(Unavailable, match="within"):
        await bus.request(f"{bus.subjects.prefix}.slow", b"", timeout_s=0.1)
    await until(lambda: served._running, "the request to arrive")
    served._running.copy().pop().cancel()


async def test_a_request_to_nobody_is_unavailable_at_once(bus):
    with pytest.raises(Unavailable, match="nobody answers"):
        await bus.request(f"{bus.subjects.prefix}.nobody", b"", timeout_s=600)


async def test_gather_has_the_answers_of_all_copies(bus):
    for name in (b"one", b"two"):
        await bus.answer_all(bus.subjects.part_health, lambda _, name=name: asyncio.sleep(0, name))
    answers = await bus.gather(bus.subjects.part_health, b"", 60.0, lambda all_: len(all_) == 2)
    assert {b"one", b"two"} == set(answers)


async def test_gather_ends_at_once_where_nobody_answers(bus):
    assert [] == await bus.gather(bus.subjects.part_health, b"", 600.0, lambda _: False)


async def test_gather_ends_when_its_time_is_over(bus):
    await bus.answer_all(bus.subjects.part_health, lambda _: asyncio.sleep(0, b"one"))

    async def gathered():
        return await bus.gather(bus.subjects.part_health, b"", 0.2, lambda _: False)

    assert [b"one"] == await until(gathered, "an answer in so short a time")


async def test_a_connection_closed_for_good_is_said(nats, own_bus):
    watching = asyncio.create_task(own_bus.watch())
    await own_bus.link._client._process_err("'maximum control line exceeded'")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="for good"):
        await watching
    assert time.monotonic() - began < 60
