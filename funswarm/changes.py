"""The feed of changes: a snapshot of what there is, then every event, for as long as one reads. I/O by `reading`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from funswarm.errors import Relist, Unavailable
from funswarm.jetstream import Stored
from funswarm.link import Link
from funswarm.messages import Event
from funswarm.reading import RETRY_S, Gap, Reader
from funswarm.selection import Selection
from funswarm.snapshot import Snapshot, read_snapshot, understood_event
from funswarm.state import KINDS, AnyState
from funswarm.subjects import Subjects


@dataclass(frozen=True, slots=True)
class SnapshotBegin:
    """What is there follows; objects that were known before and do not follow are gone."""


@dataclass(frozen=True, slots=True)
class Snapshotted:
    """One object of the snapshot."""

    state: AnyState


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """All that was there has been given; the events after `sequence` follow."""

    sequence: int


@dataclass(frozen=True)
class Changed:
    """One event. `sequence`: resume after it. `body`: the event's JSON as it is in the stream."""

    sequence: int
    kind: str
    action: str
    body: bytes

    @cached_property
    def event(self) -> Event:
        """The event, read when it is first wanted.

        Raises:
            Failed: it is not understood.
        """
        return understood_event(self.sequence, self.body)


@dataclass(frozen=True, slots=True)
class Relisted:
    """Events were dropped from the stream before they were read, or the stream is a new one. A snapshot follows."""

    reason: str


Item = SnapshotBegin | Snapshotted | SnapshotEnd | Changed | Relisted


class Changes(AsyncIterator[Item]):
    """An endless iterator over the changes, through reconnects and restarts of NATS without a gap or a duplicate.

    Without a start: SnapshotBegin, a Snapshotted for each object, SnapshotEnd, then a Changed for each event. With one:
    Changed only. When events were lost (too slow for the stream's limits, a start too long ago) comes Relisted, and
    then a snapshot as above. A start by time begins with the oldest event kept where the time is before it.

    Raises, at the first item only: Unavailable. At any: PermanentError, Failed.
    """

    def __init__(self, link: Link, subjects: Subjects, selection: Selection, start: int | datetime | None) -> None:
        self._link = link
        self._subjects = subjects
        self._selection = selection
        self._start = start
        self._begun = False
        self._reader: Reader | None = None
        self._items = self._run()
        self._coming: asyncio.Task[Item] | None = None
        self._standing = asyncio.Event()

    @property
    def sequence(self) -> int | None:
        """Up to where all wanted events have been given: what to resume after. It moves on also while none come.

        None: not known yet.
        """
        return self._reader.position if self._reader is not None else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._coming is None:
            return await anext(self._items)
        item = await asyncio.shield(self._coming)
        self._coming = None
        return item

    async def open(self) -> None:
        """Waits until the feed stands; what comes is not lost.

        Raises:
            Relist: what follows the start is gone; the feed itself would go on with a snapshot.
            Unavailable, PermanentError: it cannot stand.
        """
        coming = self._ask()
        standing = asyncio.ensure_future(self._standing.wait())
        try:
            await asyncio.wait({coming, standing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            standing.cancel()
        if coming.done() and isinstance(item := coming.result(), Relisted):
            raise Relist(item.reason)

    async def next(self, timeout_s: float) -> Item | None:
        """The next item, or None after `timeout_s`; nothing is lost."""
        done, _ = await asyncio.wait({self._ask()}, timeout=timeout_s)
        if not done:
            return None
        self._coming = None
        return done.pop().result()

    async def aclose(self) -> None:
        """Ends the feed and its subscription; `contextlib.aclosing` calls it."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait({self._coming})
        await self._items.aclose()

    def _ask(self) -> asyncio.Task[Item]:
        if self._coming is None:
            self._coming = asyncio.get_running_loop().create_task(self._items.__anext__())
        return self._coming

    async def _run(self) -> AsyncGenerator[Item, None]:
        start, created = self._start, None
        filters = self._selection.filters(self._subjects)
        while True:
            if start is None:
                snapshot = await self._snapshot()
                start, created = snapshot.sequence, snapshot.created
                yield SnapshotBegin()
                for state in snapshot.states:
                    yield Snapshotted(state)
                yield SnapshotEnd(start)
            stream = self._subjects.events_stream
            self._reader = Reader(self._link, stream, filters, start, created=created, standing=self._standing)
            try:
                async with aclosing(self._reader.messages()) as messages:
                    async for message in messages:
                        if (change := self._changed(message)) is not None:
                            yield change
            except Gap as gap:
                self._begun, self._reader, start = True, None, None
                yield Relisted(str(gap))

    async def _snapshot(self) -> Snapshot:
        """Once the feed has begun it waits for NATS as long as it takes."""
        while True:
            try:
                snapshot = await read_snapshot(self._link, self._subjects, self._selection)
            except Unavailable:
                if not self._begun:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                self._begun = True
                return snapshot

    def _changed(self, message: Stored) -> Changed | None:
        kind, action, name, *_ = self._subjects.parts_of_event(message.subject)
        if kind not in KINDS or not self._selection.takes(kind, action, name):  # a newer poller may tell of more kinds
            return None
        return Changed(message.sequence, kind, action, message.body)
