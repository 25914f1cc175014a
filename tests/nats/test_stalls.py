"""A process that stood still, as one that was stopped or swapped out, for longer than it waits for an answer."""

import asyncio
import time

import pytest
import uvloop
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from funswarm.client import Client
from services.bus.connection import Bus
from services.bus.settings import NatsSettings

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
ASKED = "$JS.API.INFO"  # nats-server answers, in its own process
TIMEOUT_S = 1.0


async def stall(asking: asyncio.Task[Msg], connection: Nats | None) -> None:
    """Stand still from when the question is written until the time for the answer is over."""
    assert connection is not None
    while not connection.pending_data_size and not asking.done():
        await asyncio.sleep(0)
    while connection.pending_data_size:
        await asyncio.sleep(0)
    await asyncio.sleep(0)  # uvloop writes at the end of its turn
    time.sleep(TIMEOUT_S + 0.5)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_a_client_that_stood_still_reads_the_answer_before_it_says_that_there_is_none(nats, loop_factory):
    async def ask() -> bytes:
        async with Client(nats.url) as client:
            asking = asyncio.create_task(client._link.request(ASKED, b"", TIMEOUT_S))
            await stall(asking, client._link._connection)
            return (await asking).data

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert b"account_info_response" in runner.run(ask())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_a_part_that_stood_still_reads_the_answer_before_it_says_that_there_is_none(nats, loop_factory):
    async def ask() -> bytes:
        bus = await Bus.connect(NatsSettings(url=nats.url, connect_timeout_s=60), "test")
        try:
            asking = asyncio.create_task(bus.link.request(ASKED, b"", TIMEOUT_S))
            await stall(asking, bus.link._client)
            return (await asking).data
        finally:
            await bus.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert b"account_info_response" in runner.run(ask())
