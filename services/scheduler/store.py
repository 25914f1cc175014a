"""Results, records, intents, dead letters on NATS. I/O by the bus; with message ids, so that repeating is harmless."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from pydantic import ValidationError

from funswarm.commands import Command
from funswarm.messages import MSG_ID_HEADER, TRACEPARENT_HEADER, DeadLetter, Result
from funswarm.outcome import is_pending
from funswarm.records import CommandRecord
from services.bus.audit import write_records
from services.bus.connection import Bus
from services.bus.reading import read_stream
from services.scheduler.pendings import Pendings
from services.scheduler.plan import Intent
from services.scheduler.ports import Superseded

KEPT_MAX: Final = 50_000
PENDING: Final = b'"pending"'
PLACE_MAX: Final = 128  # characters of a dead letter's target in its subject; the letter has the whole


class NatsStore:
    """All raise Unavailable while NATS is away, PermanentError where it refuses.

    `is_active`: whether this copy still holds the lease. One that does not (it was frozen, and wakes up) cannot say how
    a command ended or what is about to be done: what it knows is old. `on_result`: is given each result.
    """

    def __init__(self, bus: Bus, is_active: Callable[[], bool]) -> None:
        self._bus = bus
        self._is_active = is_active
        self._subjects = bus.subjects
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._pendings = Pendings(bus)
        self._kept: set[int] | None = None  # hashes of the subjects that may have something; None: any may
        self.on_result: Callable[[Result], None] = lambda _: None
        self.closed = False

    async def open(self) -> None:
        """Learn which commands have a result or an intent, so that a new one needs no look."""
        kept = await self._bus.subjects_in(self._subjects.results_stream, KEPT_MAX)
        self._kept = None if kept is None else {hash(subject) for subject in kept}
        await self._pendings.take_over()

    def close(self) -> None:
        """Nothing more is going to be stored here: wake all who wait."""
        self.closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextmanager
    def waiting(self, command_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when this copy stores the command's result, and when it closes."""
        event = asyncio.Event()
        others = self._waiting.setdefault(command_id, set())
        others.add(event)
        try:
            yield event
        finally:
            others.discard(event)
            if not others:
                self._waiting.pop(command_id, None)

    async def find(self, command_id: str) -> Result | None:
        """The result of a command that has ended; None: it has not, as far as NATS knows."""
        body = await self._last(self._subjects.result(command_id))
        try:
            return None if body is None else Result.model_validate_json(body)
        except ValidationError:  # of another version: then the label tells
            return None

    async def store(self, result: Result) -> None:
        """Make a result durable."""
        await self._keep_result(result, result.command_id)

    async def turn_away(self, result: Result) -> None:
        """Make durable that this was not done, because another command has its id, whose result stays as it is."""
        subject = self._subjects.turned_away(result.command_id, result.digest or "")
        await self._keep(subject, result.model_dump_json().encode(), subject)
        for event in self._waiting.get(result.command_id, ()):
            event.set()

    async def turned_away(self, command: Command) -> Result | None:
        """What `turn_away` stored of this very command; None: nothing."""
        body = await self._last(self._subjects.turned_away(command.id, command.digest))
        return None if body is None else Result.model_validate_json(body)

    async def submit(self, command: Command, traceparent: str | None) -> None:
        """Hand over a command, as a client does."""
        subject, body = self._subjects.command(command.verb, command.target), command.model_dump_json().encode()
        headers = {MSG_ID_HEADER: command.id} | ({TRACEPARENT_HEADER: traceparent} if traceparent else {})
        await self._bus.publish(subject, body, headers, self._subjects.commands_stream)

    async def settle(self, result: Result) -> None:
        """Take the place of the command's first result, now that its service has settled."""
        await self._keep_result(result, f"{result.command_id}/settled")  # no command's id has a slash

    async def _keep_result(self, result: Result, message_id: str) -> None:
        self._pendings.expect(result)
        body = result.model_dump_json().encode()
        place = await self._keep(self._subjects.result(result.command_id), body, message_id)
        self._pendings.stored(result, place)
        for event in self._waiting.get(result.command_id, ()):
            event.set()
        self.on_result(result)
        await self._pendings.note()

    async def pending(self) -> AsyncIterator[Result]:
        """All results that wait for their services to settle, oldest first; after `open`."""
        stream, subject = self._subjects.results_stream, self._subjects.all_results
        async for stored in read_stream(self._bus, stream, self._pendings.start, subject):
            if PENDING in stored.body:  # to understand all of them would take seconds
                with suppress(ValidationError):
                    result = Result.model_validate_json(stored.body)
                    if is_pending(result):
                        self._pendings.stored(result, stored.sequence)
                        yield result
        self._pendings.complete()

    async def bury(self, letter: DeadLetter, verb: str, target: str, sequence: int) -> None:
        """Keep what could not be done, by its place in the queue.

        Of a long target only the beginning: escaped it may be longer than NATS lets a subject be, and for such a one it
        ends the connection of whoever publishes it.
        """
        subject, body = self._subjects.dead(verb, target[:PLACE_MAX]), letter.model_dump_json().encode()
        await self._bus.publish(subject, body, {MSG_ID_HEADER: f"dead-{sequence}"}, self._subjects.dead_stream)

    async def audit(self, records: Sequence[CommandRecord]) -> None:
        """Make durable who asked for what and how it ended; at most `batches.BATCH_MAX` at once."""
        await write_records(self._bus, records)

    async def deaths(self, sequence: int) -> int:
        """How many copies in a row ended while they tried what has this place in the queue."""
        body = await self._last(self._deaths_subject(sequence))
        return int(body or b"0")

    async def note_deaths(self, sequence: int, count: int) -> None:
        """Make that durable."""
        subject = self._deaths_subject(sequence)
        await self._keep(subject, str(count).encode(), f"{subject}-{secrets.token_hex(8)}")

    def _deaths_subject(self, sequence: int) -> str:
        return self._subjects.intent(f"@{sequence}")  # no command's id has an @

    async def intent(self, command_id: str) -> Intent | None:
        """What an earlier try was about to do."""
        body = await self._last(self._subjects.intent(command_id))
        return None if body is None else Intent.model_validate_json(body)

    async def note(self, command_id: str, intent: Intent) -> None:
        """Make durable what is about to be done."""
        message_id = f"intent-{command_id}-{intent.service_id}-{intent.version}"
        await self._keep(self._subjects.intent(command_id), intent.model_dump_json().encode(), message_id)

    async def _last(self, subject: str) -> bytes | None:
        if self._kept is not None and hash(subject) not in self._kept and self._is_active():
            return None
        return await self._bus.last(self._subjects.results_stream, subject)

    async def _keep(self, subject: str, body: bytes, message_id: str) -> int:
        """Its place. Known as kept before it is stored: it may be stored although we are never told.

        Raises:
            Superseded: another copy is active, whose word holds.
        """
        if not self._is_active():
            raise Superseded("this scheduler is no longer the active copy")
        if self._kept is not None:
            self._kept.add(hash(subject))
            if len(self._kept) > KEPT_MAX:
                self._kept = None
        return await self._bus.publish(subject, body, {MSG_ID_HEADER: message_id}, self._subjects.results_stream)
