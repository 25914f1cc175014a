"""Takes what is finished out of a work queue: one by one, or all up to the first that is not finished. I/O by `Link`.

With each write synced an acknowledgement is a write to the disk for each message (0.085 ms of NATS's processor time,
and the stream waits for it); a purge up to a sequence is one for all (0.02 ms for each of 50).

A purge takes whatever has a lower sequence. So it goes no further than the first that we have not finished ourselves,
reckoned each time from the stream as it is now: what got lost on its way to us, or is in hand, is the end of it.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from funswarm.errors import FunswarmError, PermanentError
from services.bus.jetstream import ApiError, call
from services.bus.link import Link

ACK: Final = b"+ACK"
FEW: Final = 4  # as many acknowledgements cost no more than the two questions of a purge
REMEMBERED_MAX: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A message that is done: its place, when NATS stored it, and where it is acknowledged."""

    sequence: int
    stored_at: datetime
    reply: str


def first_unfinished(first: int, finished: Collection[int]) -> int:
    """The first sequence from `first` on that is not among `finished`. Pure."""
    while first in finished:
        first += 1
    return first


class Removal:
    """`add` what is finished; `run` takes it out of the stream. What is lost with NATS is handed out again by it."""

    def __init__(self, link: Link, stream: str) -> None:
        self._link = link
        self._stream = stream
        self._waiting: list[Finished] = []
        self._news = asyncio.Event()
        self._done: set[int] = set()  # sequences that are finished, and were not gone when we last looked
        self._created = ""  # of the stream that they are of
        self._may_purge = True

    def add(self, finished: Finished) -> None:
        """To be taken out soon."""
        self._waiting.append(finished)
        self._news.set()

    def forget(self) -> None:
        """The connection or the consumer was lost: the stream may be another one when it is back."""
        self._done.clear()

    async def run(self) -> None:
        """Take out what was added, for ever."""
        while True:
            await self._news.wait()
            await self.flush()

    async def flush(self) -> None:
        """Take out what was added so far, where NATS is there."""
        self._news.clear()
        batch = self._waiting[:]
        try:
            for one in await self._after_purge(batch):
                await self._link.send(one.reply, ACK)
        except FunswarmError as error:  # they come again, and their results are found
            _log.debug("%d are not acknowledged: %s", len(batch), error)
        del self._waiting[: len(batch)]

    async def _after_purge(self, batch: Sequence[Finished]) -> Sequence[Finished]:
        """What is to be acknowledged one by one."""
        if len(batch) < FEW or not self._may_purge:
            return batch
        try:
            end = await self._end(batch)
            if sum(one.sequence < end for one in batch) < FEW:
                return batch
            await call(self._link, f"STREAM.PURGE.{self._stream}", {"seq": end})
        except (ApiError, PermanentError) as error:
            self._may_purge = isinstance(error, ApiError) and error.temporary
            _log.warning("what is done is taken out of %s one by one: %s", self._stream, error)
            return batch
        return [one for one in batch if one.sequence >= end]

    async def _end(self, batch: Sequence[Finished]) -> int:
        """The first sequence in the stream that is not finished, once `batch` is."""
        found = await call(self._link, f"STREAM.INFO.{self._stream}")
        created, first = str(found["created"]), int(found["state"]["first_seq"])
        if created != self._created or len(self._done) > REMEMBERED_MAX:
            self._created = created
            self._done.clear()
        made_at = datetime.fromisoformat(created)  # what is older is of a stream before this one
        self._done.update(one.sequence for one in batch if one.stored_at >= made_at)
        self._done = {sequence for sequence in self._done if sequence >= first}
        return first_unfinished(first, self._done)
