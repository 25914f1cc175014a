"""Reading a stream without a gap or a duplicate, through reconnects and restarts of NATS. I/O by `Link`.

An ephemeral push consumer with heartbeats and flow control, like nats-py's ordered consumer, and distrusted: each
message's number is checked against the one before, three heartbeats that did not come or a lost connection make a new
consumer after the last message read, and what the stream has dropped before it was read is noticed (`Gap`), also
behind a filter. nats-py's own is not used: it replays a stream from its start after a reset, and is blind for 14 s.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg

from funswarm.errors import Unavailable
from funswarm.inbox import Inbox
from funswarm.jetstream import Bounds, Stored, bounds, consumer_sequence, create_consumer, stored
from funswarm.link import Link

HEARTBEAT_S: Final = 1.0
HEARTBEATS_MISSED: Final = 3
RETRY_S: Final = 0.5
VERIFY_INTERVAL_S: Final = 1.0
INACTIVE_S: Final = 10.0


class Gap(Exception):
    """What comes next in the stream is gone: dropped by its limits, or the stream is another one than before."""


class _Restart(Exception):
    """This consumer is of no more use."""


class Reader:
    """Reads one stream from after a sequence, or from a time on.

    `position`: the sequence up to which all that the filters select has been read; None until NATS says where a time
    is. Behind a filter it moves on with the stream, so that it can be resumed from after a quiet week.
    `created`: the stream's, where it is known. `standing` is set when a consumer stands, and all from the start on is
    there.
    """

    def __init__(
        self,
        link: Link,
        stream: str,
        filters: Sequence[str],
        start: int | datetime,
        *,
        created: str | None,
        standing: asyncio.Event,
    ) -> None:
        self.position: int | None = start if isinstance(start, int) else None
        self._standing = standing
        self._link = link
        self._stream = stream
        self._filters = list(filters)
        self._start_time = start if isinstance(start, datetime) else None
        self._created = created
        self._unverified: int | None = None  # from after here on nothing must have been dropped: to be asked for
        self._verify_at = 0.0

    async def messages(self) -> AsyncGenerator[Stored, None]:
        """All that is there and all that comes, without an end; NATS may be away for as long as it likes.

        Raises:
            Gap: a message was dropped before it was read; nothing after it was given.
            Unavailable: only before the first consumer is made.
            PermanentError: NATS does not permit it.
        """
        while True:
            inbox = None
            try:
                inbox = await self._link.subscribe(self._link.new_inbox())
                async with aclosing(self._consume(inbox)) as consumed:
                    async for message in consumed:
                        yield message
            except Unavailable:
                if self._created is None:
                    raise
                await asyncio.sleep(RETRY_S)
            except _Restart:
                pass
            finally:
                if inbox is not None:
                    await inbox.close()

    async def _consume(self, inbox: Inbox) -> AsyncGenerator[Stored, None]:
        """What one consumer delivers, until it cannot be trusted any more (`_Restart`)."""
        epoch = self._link.epoch
        await create_consumer(self._link, self._stream, self._config(inbox.subject))
        self._check_bounds(await bounds(self._link, self._stream), self.position)
        self._standing.set()
        delivered = missed = 0
        while True:
            message = await inbox.next(HEARTBEAT_S)
            if message is None:
                missed += 1
                if missed >= HEARTBEATS_MISSED or epoch != self._link.epoch:
                    raise _Restart
                continue
            missed = 0
            if _is_control(message):
                await self._on_control(message, delivered)
                continue
            if consumer_sequence(message) != delivered + 1:
                raise _Restart
            delivered += 1
            item = stored(message)
            await self._move(item.sequence, item.sequence - 1)
            yield item

    def _config(self, deliver_subject: str) -> dict[str, Any]:
        config = _consumer(deliver_subject, self._filters)
        if self.position is not None:
            return config | {"deliver_policy": "by_start_sequence", "opt_start_seq": self.position + 1}
        assert self._start_time is not None
        return config | {"deliver_policy": "by_start_time", "opt_start_time": self._start_time.isoformat()}

    async def _on_control(self, message: Msg, delivered: int) -> None:
        await _answer_flow_control(self._link, message)
        headers = message.headers or {}
        if "Nats-Last-Consumer" not in headers:
            return
        if int(headers["Nats-Last-Consumer"]) != delivered:
            raise _Restart
        last = int(headers.get("Nats-Last-Stream", 0))
        if self.position is None or last > self.position:
            await self._move(last, last)

    async def _move(self, position: int, read_up_to: int) -> None:
        """All up to `position` is read. What was skipped over on the way must have been filtered, not dropped."""
        before, self.position = self.position, position
        if before is not None and read_up_to > before and self._unverified is None:
            self._unverified = before
        now = asyncio.get_running_loop().time()
        if self._unverified is not None and now >= self._verify_at:
            self._verify_at = now + VERIFY_INTERVAL_S
            self._check_bounds(await bounds(self._link, self._stream), self._unverified)
            self._unverified = None

    def _check_bounds(self, now: Bounds, position: int | None) -> None:
        created, self._created = self._created, now.created
        if created not in (None, now.created):
            raise Gap(f"the stream {self._stream} was made anew at {now.created}")
        if position is None:
            return
        if now.last < position:
            raise Gap(f"the stream {self._stream} ends at {now.last}, before {position}: it is another one")
        if now.first > position + 1:
            raise Gap(f"the stream {self._stream} no longer has what follows {position}: it begins at {now.first}")


async def read_stored(
    link: Link, stream: str, deliver: dict[str, Any], filters: Sequence[str]
) -> AsyncGenerator[Stored, None]:
    """What the stream holds now, in its order; `deliver`: from where, as a consumer's configuration says it.

    With `deliver_policy` `last_per_subject` it is each subject's last message. One that is overtaken while one reads
    comes again, newer: what was read last of all subjects is how they stood at one moment.

    Raises:
        Unavailable: NATS or the stream is not there, or the connection was lost half-way.
        PermanentError: NATS does not permit it.
    """
    inbox = await link.subscribe(link.new_inbox())
    try:
        epoch = link.epoch
        pending = await create_consumer(link, stream, _consumer(inbox.subject, filters) | deliver)
        delivered = 0
        while pending:
            message = await inbox.next(HEARTBEAT_S * HEARTBEATS_MISSED)
            if message is None or epoch != link.epoch:
                raise Unavailable(f"reading {stream} broke off: the connection to NATS was lost")
            if _is_control(message):
                await _answer_flow_control(link, message)
                continue
            delivered += 1
            if consumer_sequence(message) != delivered:
                raise Unavailable(f"reading {stream} missed a message")
            item = stored(message)
            pending = item.pending
            yield item
    finally:
        await inbox.close()


def _consumer(deliver_subject: str, filters: Sequence[str]) -> dict[str, Any]:
    """An ephemeral push consumer without acks; NATS forgets it when its subject has no reader."""
    return {
        "deliver_subject": deliver_subject, "filter_subjects": list(filters), "ack_policy": "none", "max_deliver": 1,
        "mem_storage": True, "num_replicas": 1, "flow_control": True, "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        "inactive_threshold": int(INACTIVE_S * 1e9),
    }  # fmt: skip


async def _answer_flow_control(link: Link, message: Msg) -> None:
    """It is answered when all before it has been taken: so the reader's pace is the consumer's."""
    reply = message.reply or (message.headers or {}).get("Nats-Consumer-Stalled", "")
    if reply:
        await link.reply(reply)


def _is_control(message: Msg) -> bool:
    return bool(message.headers) and (message.headers or {}).get("Status") == "100"
