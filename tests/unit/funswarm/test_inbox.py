"""An inbox keeps what came until its reader takes it."""

import asyncio

import pytest
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from funswarm.inbox import INBOX_BYTES_MAX, Inbox


class Connection:
    """As nats-py hands messages to who waits for one answer."""

    async def subscribe(self, subject, future):
        self.future = future

    def arrives(self, body=b"", subject="a"):
        assert not self.future.cancelled()
        self.future.set_result(Msg(Nats(), subject, data=body))


@pytest.fixture
def connection():
    return Connection()


@pytest.fixture
async def inbox(connection):
    opened = Inbox("a")
    await opened.open(connection)
    return opened


async def test_messages_come_in_their_order(connection, inbox):
    for body in (b"1", b"2"):
        connection.arrives(body)

    assert [b"1", b"2"] == [(await inbox.next(0)).data for _ in range(2)]


async def test_who_waits_is_woken(connection, inbox):
    waiting = asyncio.create_task(inbox.next(60))
    await asyncio.sleep(0)
    for body in (b"1", b"2"):
        connection.arrives(body)

    assert b"1" == (await waiting).data


async def test_without_a_message_the_wait_ends(inbox):
    assert await inbox.next(0) is None


async def test_a_message_is_there_for_the_next_where_who_waited_has_gone(connection, inbox):
    waiting = asyncio.create_task(inbox.next(60))
    await asyncio.sleep(0)
    waiting.cancel()
    connection.arrives(b"1")

    assert b"1" == (await inbox.next(0)).data


async def test_what_is_beyond_the_bound_is_lost_until_it_is_read(connection, inbox):
    connection.arrives(bytes(INBOX_BYTES_MAX))
    connection.arrives(b"lost")
    await inbox.next(0)
    connection.arrives(b"kept")

    assert b"kept" == (await inbox.next(0)).data
