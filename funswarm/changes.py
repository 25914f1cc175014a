"""The feed of changes: a snapshot of what there is, then every event, for as long as one reads. I/O by `reading`.

A snapshot is the fold of all events up to one sequence: the state bucket, whose values name in a header the event that
they reflect, and on top of it the events after the highest of these (the bucket follows behind the events).
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, Self

from pydantic import ValidationError

from funswarm.errors import Failed, Relist, Unavailable
from funswarm.jetstream import Stored, bounds
from funswarm.link import Link
from funswarm.messages import Event
from funswarm.reading import RETRY_S, Gap, Reader, read_stored
from funswarm.state import KINDS, STATES, AnyState, event_names
from funswarm.subjects import Subjects, token

EVENT_SEQUENCE_HEADER: Final = "Funswarm-Event-Sequence"
FILTERS_MAX: Final = 100


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
        return _event(self.sequence, self.body)


@dataclass(frozen=True, slots=True)
class Relisted:
    """Events were dropped from the stream before they were read, or the stream is a new one. A snapshot follows."""

    reason: str


Item = SnapshotBegin | Snapshotted | SnapshotEnd | Changed | Relisted


@dataclass(frozen=True, slots=True)
class Selection:
    """Which changes are wanted; an empty set: all. `names`: an object's name; of tasks, their service's."""

    kinds: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()

    def filters(self, subjects: Subjects) -> list[str]:
        """The selection as subjects' filters, which do not overlap; one for all where they would be too many."""
        kinds, actions = sorted(self.kinds) or ["*"], sorted(self.actions) or ["*"]
        heads = [subjects.event(kind, action) for kind, action in itertools.product(kinds, actions)]
        names = [token(name) for name in sorted(self.names)]
        tails = [*names, *(f"{name}.*" for name in names)] or [">"]
        filters = [f"{head}.{tail}" for head, tail in itertools.product(heads, tails)]
        return filters if len(filters) <= FILTERS_MAX else [subjects.all_events]

    def takes(self, kind: str, action: str, name: str) -> bool:
        """Whether this event is wanted; `name` as a subject's token, of a task its service's."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.actions or action in self.actions)
            and (not self.names or any(name == token(wanted) for wanted in self.names))
        )

    def takes_state(self, state: AnyState) -> bool:
        return (not self.kinds or state.kind in self.kinds) and (not self.names or event_names(state)[0] in self.names)


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
        start = self._start
        while True:
            if start is None:
                states, start = await self._read_snapshot()
                for item in _snapshot(states, start):
                    yield item
            filters = self._selection.filters(self._subjects)
            self._reader = Reader(self._link, self._subjects.events_stream, filters, start, self._standing)
            try:
                async with aclosing(self._reader.messages()) as messages:
                    async for message in messages:
                        self._begun = True
                        if (change := self._changed(message)) is not None:
                            yield change
            except Gap as gap:
                self._begun, self._reader, start = True, None, None
                yield Relisted(str(gap))

    async def _read_snapshot(self) -> tuple[list[AnyState], int]:
        """What is there, and the sequence of the last event that it reflects."""
        while True:
            try:
                return await self._fold()
            except Unavailable:
                if not self._begun:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _fold(self) -> tuple[list[AnyState], int]:
        states: dict[tuple[str, str], AnyState] = {}
        reflected = 0
        bucket = f"KV_{self._subjects.state_bucket}"
        async with aclosing(read_stored(self._link, bucket, {"deliver_policy": "last_per_subject"}, [">"])) as values:
            async for value in values:
                reflected = max(reflected, int(value.headers.get(EVENT_SEQUENCE_HEADER, 0)))
                kind, key = value.subject.split(".")[-2:]
                states.pop((kind, key), None)
                if value.body:  # else a marker of deletion
                    states[kind, key] = _state(value)
        events = await bounds(self._link, self._subjects.events_stream)
        if events.last > reflected:
            deliver = {"deliver_policy": "by_start_sequence", "opt_start_seq": reflected + 1}
            filters = replace(self._selection, actions=frozenset()).filters(self._subjects)
            stream = self._subjects.events_stream
            async with aclosing(read_stored(self._link, stream, deliver, filters)) as messages:
                async for message in messages:
                    if message.sequence > events.last:
                        break
                    event = _event(message.sequence, message.body)
                    states.pop((event.kind, token(event.object_id)), None)
                    if event.after is not None:
                        states[event.kind, token(event.object_id)] = event.after
        self._begun = True
        wanted = [state for state in states.values() if self._selection.takes_state(state)]
        wanted.sort(key=lambda state: (KINDS.index(state.kind), state.name, state.id))
        return wanted, events.last

    def _changed(self, message: Stored) -> Changed | None:
        kind, action, name, *_ = message.subject.removeprefix(self._subjects.all_events.removesuffix(">")).split(".")
        if not self._selection.takes(kind, action, name):
            return None
        return Changed(message.sequence, kind, action, message.body)


def _snapshot(states: list[AnyState], sequence: int) -> Iterator[Item]:
    yield SnapshotBegin()
    for state in states:
        yield Snapshotted(state)
    yield SnapshotEnd(sequence)


def _event(sequence: int, body: bytes) -> Event:
    try:
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise Failed(f"event {sequence} is not understood: is the poller of another version?") from error


def _state(value: Stored) -> AnyState:
    try:
        return STATES.validate_json(value.body)
    except ValidationError as error:
        raise Failed(f"the state in {value.subject} is not understood: is the poller of another version?") from error
