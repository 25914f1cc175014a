"""The messages of one subscription, for a reader that takes them one by one. I/O: nats-py's subscription."""

import asyncio
import contextlib
from typing import Final

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

INBOX_MESSAGES_MAX: Final = 1000


class Inbox:
    """The messages of one subscription, in order, at the reader's pace; beyond the bound NATS' own buffer fills."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._queue: asyncio.Queue[Msg] = asyncio.Queue(INBOX_MESSAGES_MAX)
        self._subscription: Subscription | None = None

    async def open(self, connection: Nats) -> None:
        self._subscription = await connection.subscribe(self.subject, cb=self._queue.put)

    async def next(self, timeout_s: float) -> Msg | None:
        """The next message, or None after `timeout_s`."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._queue.get()
        except TimeoutError:
            return None

    async def close(self) -> None:
        """Ends the subscription; harmless when the connection is gone."""
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._subscription.unsubscribe()
