"""The messages of one subscription, for a reader that takes them one by one. I/O: nats-py's subscription.

nats-py has a queue and a task for each subscription. Here a message goes from the parser straight to who takes it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

INBOX_BYTES_MAX: Final = 128 * 1024 * 1024  # nats-py's own bound
_MESSAGE_BYTES: Final = 1024  # what one takes besides its body


class _Straight:
    """What nats-py takes for the future of an answer: all that it asks of one. `take` must not raise."""

    def __init__(self, take: Callable[[Msg], None]) -> None:
        self.set_result = take

    def cancelled(self) -> bool:
        return False


async def subscribe_straight(connection: Nats, subject: str, take: Callable[[Msg], None]) -> Subscription:
    """Has each message on `subject` handed to `take` as it is read; `take` must not raise."""
    return await connection.subscribe(subject, future=cast("asyncio.Future[Any]", _Straight(take)))


class Inbox:
    """The messages of one subscription, in order, at the pace of its one reader; those beyond the bound are lost."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._messages: deque[Msg] = deque()
        self._bytes = 0
        self._arrival: asyncio.Future[None] | None = None
        self._subscription: Subscription | None = None

    async def open(self, connection: Nats) -> None:
        self._subscription = await subscribe_straight(connection, self.subject, self._take)

    async def next(self, timeout_s: float) -> Msg | None:
        """The next message, or None after `timeout_s`."""
        if not self._messages:
            loop = asyncio.get_running_loop()
            self._arrival = loop.create_future()
            timer = loop.call_later(timeout_s, _wake, self._arrival)
            try:
                await self._arrival
            finally:
                timer.cancel()
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._bytes -= len(message.data) + _MESSAGE_BYTES
        return message

    async def close(self) -> None:
        """Ends the subscription; harmless when the connection is gone."""
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._subscription.unsubscribe()

    def _take(self, message: Msg) -> None:
        if self._bytes < INBOX_BYTES_MAX:
            self._messages.append(message)
            self._bytes += len(message.data) + _MESSAGE_BYTES
        if self._arrival is not None:
            _wake(self._arrival)


def _wake(arrival: asyncio.Future[None]) -> None:
    if not arrival.done():
        arrival.set_result(None)
