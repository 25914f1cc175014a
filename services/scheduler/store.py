"""Results, intents and dead letters on NATS. I/O by the bus; each write has a message id: repeating is harmless."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import ValidationError

from funswarm.messages import MSG_ID_HEADER, DeadLetter, Result
from services.bus.connection import Bus
from services.scheduler.plan import Intent

PLACE_MAX: Final = 128  # characters of a dead letter's target in its subject; the letter has the whole


class NatsStore:
    """All raise Unavailable while NATS is away, PermanentError where it refuses."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._subjects = bus.subjects
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.closed = False

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
        body = await self._bus.last(self._subjects.results_stream, self._subjects.result(command_id))
        try:
            return None if body is None else Result.model_validate_json(body)
        except ValidationError:  # of another version: then the label tells
            return None

    async def store(self, result: Result) -> None:
        """Make a result durable."""
        subject, body = self._subjects.result(result.command_id), result.model_dump_json().encode()
        headers = {MSG_ID_HEADER: result.command_id}
        await self._bus.publish(subject, body, headers, self._subjects.results_stream)
        for event in self._waiting.get(result.command_id, ()):
            event.set()

    async def bury(self, letter: DeadLetter, verb: str, target: str, sequence: int) -> None:
        """Keep what could not be done, by its place in the queue.

        Of a long target only the beginning: escaped it may be longer than NATS lets a subject be, and for such a one it
        ends the connection of whoever publishes it.
        """
        subject, body = self._subjects.dead(verb, target[:PLACE_MAX]), letter.model_dump_json().encode()
        await self._bus.publish(subject, body, {MSG_ID_HEADER: f"dead-{sequence}"}, self._subjects.dead_stream)

    async def intent(self, command_id: str) -> Intent | None:
        """What an earlier try was about to do."""
        body = await self._bus.last(self._subjects.results_stream, self._subjects.intent(command_id))
        return None if body is None else Intent.model_validate_json(body)

    async def note(self, command_id: str, intent: Intent) -> None:
        """Make durable what is about to be done."""
        subject, body = self._subjects.intent(command_id), intent.model_dump_json().encode()
        headers = {MSG_ID_HEADER: f"intent-{command_id}-{intent.service_id}-{intent.version}"}
        await self._bus.publish(subject, body, headers, self._subjects.results_stream)
