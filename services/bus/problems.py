"""Telling what is wrong with services' labels, as one source reads them: on `<p>.problem.<source>.<service>`. I/O: bus.

The stream's last message of a subject holds. Only what differs from it is written, so that a restart repeats nothing,
and several copies that find the same write it once: each write expects the message that it follows.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from funswarm.messages import MSG_ID_HEADER, Problem, Problems
from services.bus.connection import Bus
from services.bus.reading import Stored, read_stream

PER_SERVICE_MAX: Final = 20
VALUE_MAX: Final = 200  # characters; who wrote the label knows the rest
_ATTEMPTS: Final = 5

_Found = tuple[Problem, ...]


class ProblemTeller:
    """Tells the problems that `source` finds; one for each source and process."""

    def __init__(self, bus: Bus, source: str) -> None:
        self._bus = bus
        self._source = source
        self._told: dict[str, _Found] | None = None  # by service, those with problems; None: not read yet
        self._one_at_a_time = asyncio.Lock()

    async def tell(self, service: str, problems: Sequence[Problem]) -> None:
        """These are all problems of a service now, by its name; none: all is well.

        Raises:
            Unavailable: NATS is away: tell it again.
            PermanentError: NATS does not permit it.
        """
        async with self._one_at_a_time:
            await self._tell(await self._known(), service, problems)

    async def tell_all(self, problems: Mapping[str, Sequence[Problem]]) -> None:
        """These are all problems of all services now, by name; those of others are solved or gone. Raises as `tell`."""
        async with self._one_at_a_time:
            known = await self._known()
            for service in sorted({*known, *problems}):
                await self._tell(known, service, problems.get(service, ()))

    async def tell_gone(self, services: set[str]) -> None:
        """These are all services that there are, by name: others have no problems any more. Raises as `tell`."""
        async with self._one_at_a_time:
            known = await self._known()
            for service in sorted(known.keys() - services):
                await self._tell(known, service, ())

    async def _known(self) -> dict[str, _Found]:
        if self._told is None:
            told: dict[str, _Found] = {}
            subject, stream = self._bus.subjects.problems_of(self._source), self._bus.subjects.reports_stream
            async for stored in read_stream(self._bus, stream, subject=subject):
                if (last := _understood(stored)) is not None:
                    _note(told, last.service, last.problems)
            self._told = told
        return self._told

    async def _tell(self, known: dict[str, _Found], service: str, problems: Sequence[Problem]) -> None:
        found = tuple(_bounded(problem) for problem in problems[:PER_SERVICE_MAX])
        if found != known.get(service, ()):
            await self._write(service, found)
            _note(known, service, found)

    async def _write(self, service: str, found: _Found) -> None:
        """Another copy may write at the same time: then it is looked at again, whether it wrote the same."""
        stream, subject = self._bus.subjects.reports_stream, self._bus.subjects.problem(self._source, service)
        for _ in range(_ATTEMPTS):
            before = await self._bus.newest(stream, subject)
            last = None if before is None else _understood(before)
            if (last.problems if last is not None else ()) == found:
                return
            sequence = 0 if before is None else before.sequence
            told = Problems(source=self._source, service=service, told_at=datetime.now(UTC), problems=found)
            content = told.model_dump_json(exclude={"told_at"})
            headers = {MSG_ID_HEADER: hashlib.sha256(f"{sequence} {content}".encode()).hexdigest()[:32]}
            message = (subject, told.model_dump_json().encode(), headers)
            if await self._bus.publish_while(message, stream, subject, sequence):
                return


def _note(known: dict[str, _Found], service: str, found: _Found) -> None:
    if found:
        known[service] = found
    else:
        known.pop(service, None)


def _bounded(problem: Problem) -> Problem:
    value, reason = problem.value, problem.reason
    if value is not None and len(value) > VALUE_MAX:
        value = value[:VALUE_MAX] + "…"
    if len(reason) > 5 * VALUE_MAX:
        reason = reason[: 5 * VALUE_MAX] + "…"
    return problem.model_copy(update={"value": value, "reason": reason})


def _understood(stored: Stored) -> Problems | None:
    """None: it is of another version."""
    try:
        return Problems.model_validate_json(stored.body)
    except ValidationError:
        return None
