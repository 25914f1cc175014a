"""A socket of uvloop's, on which all parts run: to write to one that was just closed is a RuntimeError there."""

import asyncio

import pytest
import uvloop
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from funswarm.errors import Unavailable
from services.bus.answers import NobodyAnswers
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from tests.waiting import until


async def heard(message: Msg) -> None:
    pytest.fail(f"nobody asked for {message.subject}")


def on_uvloop(nats, test) -> None:
    async def connected() -> None:
        bus = await Bus.connect(NatsSettings(url=nats.url, connect_timeout_s=60), "test")
        try:
            await test(bus)
        finally:
            await bus.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connected())


def abort(bus: Bus) -> None:
    bus.link._client._transport._io_writer.transport.abort()  # type: ignore[union-attr]


async def ask(bus: Bus) -> None:
    await bus.link.barrier()


async def listen(bus: Bus) -> None:
    await bus.link.subscribe("lost", heard)


async def tell(bus: Bus) -> None:
    bus.link._client._flusher_task.cancel()  # type: ignore[union-attr]  # as after an earlier write
    await asyncio.sleep(0)
    await bus.link.send("lost")


@pytest.mark.parametrize("use", [ask, listen, tell])
def test_a_socket_that_was_just_closed_is_a_lost_connection(nats, use):
    async def lost(bus: Bus) -> None:
        abort(bus)
        with pytest.raises(Unavailable):
            await use(bus)

        async def asked() -> bool:
            try:
                await bus.link.request("lost")
            except NobodyAnswers:
                return True
            except Unavailable:
                return False
            pytest.fail("somebody listens")

        await until(asked, "the connection")

    on_uvloop(nats, lost)


def test_a_socket_that_is_closed_while_it_connects_again_is_not_the_last(nats, monkeypatch):
    connect, left = TcpTransport.connect, 2

    async def closed_at_first(transport, *args) -> None:
        nonlocal left
        await connect(transport, *args)
        left -= 1
        if left >= 0:
            transport._io_writer.transport.abort()

    async def lost(bus: Bus) -> None:
        monkeypatch.setattr(TcpTransport, "connect", closed_at_first)
        abort(bus)
        await until(lambda: left < 0 and bus.connected, "the connection")

    on_uvloop(nats, lost)
