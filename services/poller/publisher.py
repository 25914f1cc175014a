"""Owed differences to NATS: view, known -> diff -> EVENTS -> known -> STATE. Writes NATS, through fenced journals.

Only keys are owed, each once: what is published is the difference between what subscribers know and what is true when
its turn comes, however much happened in between. An event counts once NATS has acknowledged it; the bucket follows
behind, its values naming the event that they stand for (header `Funswarm-Event-Sequence`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import structlog

from funswarm.errors import FunswarmError
from funswarm.messages import Event
from funswarm.state import AnyState, ServiceState
from funswarm.subjects import Subjects
from services.bus.answers import Unfit
from services.bus.journal import Journal, Outgoing, Superseded
from services.bus.state import StateBucket
from services.gathering import gathered
from services.poller.derive import published, stub
from services.poller.diff import EventContext, diff
from services.poller.health import Troubles
from services.poller.known import Key, Known
from services.poller.metrics import Metrics
from services.poller.motion import is_settled
from services.poller.outgoing import cut, outgoing, traceparent_of
from services.poller.pacing import Backoff, Due, Turns
from services.poller.restore import SEQUENCE_HEADER
from services.poller.view import View
from services.poller.waking import Waking

SLOW_S: Final = 5.0  # a write that is not answered for so long is told of
KEYS_MAX: Final = 200  # in one write: NATS takes at most 1000 messages in a batch, a key gives up to 3

_log = structlog.get_logger()


class Publisher:
    """The one writer of events and states in one session as the active poller.

    `unsettled(service_ids)` is called with published services whose condition is yet to change. `kinds`: those watched.
    """

    def __init__(
        self,
        *,
        view: View,
        known: Known,
        subjects: Subjects,
        cluster: str,
        troubles: Troubles,
        metrics: Metrics,
        unsettled: Callable[[list[str]], None],
        behind: dict[Key, int],
        kinds: Collection[str],
    ) -> None:
        self._view = view
        self._known = known
        self._subjects = subjects
        self._cluster = cluster
        self._troubles = troubles
        self._metrics = metrics
        self._unsettled = unsettled
        self._kinds = kinds
        self._since: Final = datetime.now(UTC)
        self._too_large: Final[set[Key]] = set()  # published as stubs
        self._owed: Final = Due()
        self._turns: Final = Turns()
        self._woken: Final = Waking()
        self._behind: Final = behind  # keys whose value in the bucket is yet to follow the event of this sequence
        self._behind_woken: Final = Waking()

    def __len__(self) -> int:
        return len(self._owed)

    def owe(self, key: Key) -> None:
        """The object may differ from what is published."""
        self._owed.add(key)
        self._woken.call()

    async def run(self, journal: Journal) -> None:
        """Publish what is owed, for ever.

        Raises:
            Superseded: another poller wrote: this one is no longer the active one.
        """
        while True:
            while (wait_s := self._owed.wait_s(time.monotonic())) != 0:
                await self._woken.wait(wait_s)
            await asyncio.sleep(self._turns.wait_s(time.monotonic()))
            keys = self._owed.take(KEYS_MAX, time.monotonic())
            now = datetime.now(UTC)
            events = [event for key in keys for event in self._differences(key, now)]
            if events:
                await self._publish(journal, events)

    async def run_states(self, bucket: StateBucket) -> None:
        """Write the states behind the events, in their order, for ever; what was overtaken is written once.

        Deletions go first: they name no event, so a value never names a later event than one that is yet to be written.
        """
        while True:
            while not self._behind:
                await self._behind_woken.wait(None)
            await gathered(lambda: len(self._behind), KEYS_MAX)  # a write costs as much as one to the stream
            batch = dict(islice(self._behind.items(), KEYS_MAX))
            await self._put(bucket, batch)
            for key, sequence in batch.items():
                if self._behind.get(key) == sequence:
                    del self._behind[key]

    def _differences(self, key: Key, now: datetime) -> list[Event]:
        before, after = self._known.get(key), published(key, self._view, self._known)
        if before is after:
            return []
        if key in self._too_large and after is not None:
            after = stub(after)
        gone = "removed" if key[0] in self._kinds else "unwatched"
        events = diff(before, after, EventContext(self._cluster, now, self._known.first_revision(key), gone))
        if not events and before is not None:
            self._view.settle(before)
        return events

    async def _publish(self, journal: Journal, events: list[Event]) -> None:
        events = await self._store(journal, events)
        last, now = journal.last, datetime.now(UTC)
        for sequence, event in enumerate(events, last - len(events) + 1):
            self._known.apply(event)
            self._metrics.published(event, now, self._since)
            key = (event.kind, event.object_id)
            self._behind.pop(key, None)  # to the end: the bucket is written in the order of the events
            self._behind[key] = sequence
            if event.after is not None:
                self._keep(event.after)
            else:
                self._too_large.discard(key)
        self._behind_woken.call()

    async def _store(self, journal: Journal, events: list[Event]) -> list[Event]:
        """Write the events; as they are stored: those that NATS takes at no time are cut."""
        start = journal.last
        messages = [self._message(event) for event in events]
        try:
            await self._persist(lambda: journal.write(messages[journal.last - start :]), "events", Unfit)
        except Unfit:
            done = journal.last - start
            now_cut: set[Key] = set()
            return events[:done] + [await self._store_one(journal, event, now_cut) for event in events[done:]]
        return events

    async def _store_one(self, journal: Journal, event: Event, now_cut: set[Key]) -> Event:
        """Write one of several of which one at least is unfit. After a cut one goes no whole one of the same object."""
        key = (event.kind, event.object_id)
        if key not in now_cut:
            try:
                await self._persist(lambda: journal.write([self._message(event)]), "events", Unfit)
            except Unfit as error:
                now_cut.add(key)
                self._cut(key, error)
            else:
                return event
        self._metrics.cut.inc()
        await self._persist(lambda: journal.write([self._message(event, small=True)]), "events")
        return cut(event)

    def _message(self, event: Event, *, small: bool = False) -> Outgoing:
        traceparent = traceparent_of(event.after or event.before, self._view)
        return outgoing(event, self._subjects, traceparent, small=small)

    def _cut(self, key: Key, why: Unfit) -> None:
        _log.warning("an event is cut", object=f"{key[0]} {key[1]}", reason=str(why))
        self._too_large.add(key)
        self._troubles.note("cut", f"events of {len(self._too_large)} objects are cut, the last one since {why}")

    def _keep(self, state: AnyState) -> None:
        self._view.settle(state)
        if isinstance(state, ServiceState) and not is_settled(state):
            self._unsettled([state.id])

    async def _put(self, bucket: StateBucket, batch: dict[Key, int]) -> None:
        puts, deletes = self._values(batch)
        await self._persist(lambda: bucket.write({}, deletes), "state")
        await self._persist(lambda: bucket.write(puts), "state")

    def _values(self, batch: dict[Key, int]) -> tuple[dict[str, tuple[bytes, dict[str, str]]], list[str]]:
        """The values to put, by the bucket's keys, and the keys to delete."""
        puts: dict[str, tuple[bytes, dict[str, str]]] = {}
        deletes: list[str] = []
        for key, sequence in batch.items():
            state = self._known.get(key)
            name = self._subjects.state_key(*key)
            if state is None:
                deletes.append(name)
            else:
                puts[name] = (state.model_dump_json().encode(), {SEQUENCE_HEADER: str(sequence)})
        return puts, deletes

    async def _persist(
        self, write: Callable[[], Awaitable[int]], place: str, but: type[FunswarmError] = Superseded
    ) -> int:
        """Write until NATS has it; what `write` returned. `but`: an error after which not to write again.

        Raises:
            Superseded: somebody else wrote, or NATS stored a write that it had not answered: begin anew.
        """
        backoff = Backoff()
        while True:
            slow = asyncio.get_running_loop().call_later(
                SLOW_S, self._troubles.set, place, f"NATS takes long to store what is published ({place})"
            )
            try:
                last = await write()
            except (Superseded, but):
                raise
            except FunswarmError as error:
                self._troubles.set(place, str(error))
                self._metrics.retries.inc()
                _log.warning("NATS does not take what is to be published", what=place, reason=str(error))
                await asyncio.sleep(backoff.wait_s())
            else:
                self._troubles.clear(place)
                return last
            finally:
                slow.cancel()
