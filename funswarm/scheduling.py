"""Putting, reading and cancelling schedules. I/O by `Link`; the flow: SCHEDULES -> NATS fires -> scheduler -> COMMANDS.

A schedule is the last message on its subject, and its sequence is its revision. All that the scheduler writes for it is
stored only while that is the last sequence there: so whatever replaces or cancels it ends it, at once and for good.
"""

import asyncio
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from funswarm.commands import COMMAND_BYTES_MAX
from funswarm.errors import InvalidRequest, Refused, Unavailable, UnknownSchedule
from funswarm.jetstream import Kept, OutOfDate, last_kept, publish, subjects_in
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER, Code
from funswarm.problems import read_problems
from funswarm.schedules import DUE_HEADER, PROBLEM_SOURCE, REVISION_HEADER, Cancelled, Firing, Schedule, Scheduled
from funswarm.subjects import Subjects
from funswarm.submitting import read_result

SCHEDULES_MAX: Final = 1000
CANCELLED_TTL: Final = "1h"  # until then the scheduler takes what is left of it away
_TRIES: Final = 5
_READ_AT_ONCE: Final = 16
_EXPECTED_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"


class Schedules:
    """The schedules that one who may act in `namespaces` sees: those that were put by such a one. Empty: all."""

    def __init__(self, link: Link, subjects: Subjects, namespaces: Collection[str] = ()) -> None:
        self._link = link
        self._subjects = subjects
        self._namespaces = frozenset(namespaces)

    async def put(self, schedule: Schedule) -> Scheduled:
        """Makes it durable, in the place of an earlier one of its name. Its command gets the namespaces, too.

        Raises:
            InvalidRequest: it is in the past.
            Refused: there are too many, or another's has this name.
        """
        command = schedule.command
        if self._namespaces:
            command = command.model_copy(update={"namespaces": tuple(sorted(self._namespaces))})
        schedule = schedule.model_copy(update={"command": command})
        if schedule.at is not None and schedule.at < datetime.now(UTC):
            raise InvalidRequest(f"at: {schedule.at.isoformat()} is in the past: submit the command itself")
        body = schedule.model_dump_json().encode()
        if len(body) > COMMAND_BYTES_MAX:
            raise InvalidRequest(f"{len(body)} bytes are too many: a schedule has at most {COMMAND_BYTES_MAX}")
        for _ in range(_TRIES):
            before = await self._newest(schedule.name)
            await self._check_place(schedule.name, before)
            if await self._write(schedule.name, body, before, {}):
                now = datetime.now(UTC)
                return Scheduled(schedule=schedule, since=now, next=schedule.coming(now, now))
        raise _busy(schedule.name)

    async def all(self) -> tuple[Scheduled, ...]:
        """All that are to fire still, by name."""
        limit, problems = asyncio.Semaphore(_READ_AT_ONCE), await self._problems()

        async def one(name: str) -> Scheduled | None:
            async with limit:
                kept = await self._definition(name)
                return None if kept is None else await self._scheduled(name, kept, problems)

        stream, wildcard = self._subjects.schedules_stream, self._subjects.all_schedules
        names = [subject.rpartition(".")[2] for subject in await subjects_in(self._link, stream, wildcard)]
        found = await asyncio.gather(*(one(name) for name in names))
        return tuple(scheduled for scheduled in found if scheduled is not None)

    async def read(self, name: str) -> Scheduled:
        """One of them, with the result of its last firing.

        Raises:
            UnknownSchedule: there is none of that name (any more).
        """
        kept = await self._definition(name)
        scheduled = None if kept is None else await self._scheduled(name, kept, await self._problems())
        if scheduled is None:
            raise _unknown(name)
        if scheduled.last is None:
            return scheduled
        result = await read_result(self._link, self._subjects, scheduled.last.command_id)
        return scheduled.model_copy(update={"result": result})

    async def cancel(self, name: str) -> Cancelled:
        """It does not fire any more once this returns.

        Raises:
            UnknownSchedule: there is none of that name (any more).
        """
        for _ in range(_TRIES):
            kept = await self._definition(name)
            if kept is None or not self._sees(_schedule(name, kept)):
                raise _unknown(name)
            if await self._write(name, b"", kept, {"Nats-TTL": CANCELLED_TTL}):
                return Cancelled(name=name, underway=await self._underway(name, kept.sequence))
        raise _busy(name)

    async def _definition(self, name: str) -> Kept | None:
        """The schedule's message; None: there is no such schedule, or it was cancelled."""
        kept = await self._newest(name)
        return kept if kept is not None and kept.body else None

    async def _newest(self, name: str) -> Kept | None:
        return await last_kept(self._link, self._subjects.schedules_stream, self._subjects.schedule(name))

    async def _check_place(self, name: str, before: Kept | None) -> None:
        if before is not None and before.body:
            if not self._sees(_schedule(name, before)):
                raise Refused(f"there is a schedule {name!r} of others: take another name", Code.FORBIDDEN)
            return
        stream, wildcard = self._subjects.schedules_stream, self._subjects.all_schedules
        if len(await subjects_in(self._link, stream, wildcard)) >= SCHEDULES_MAX:
            raise Refused(f"there are {SCHEDULES_MAX} schedules already: cancel some first", Code.CONFLICT)

    async def _write(self, name: str, body: bytes, before: Kept | None, headers: dict[str, str]) -> bool:
        """Writes the schedule's message, if it is still `before` that is there; False: it is not."""
        stream, subject = self._subjects.schedules_stream, self._subjects.schedule(name)
        mark = secrets.token_hex(16)
        expected = "0" if before is None else str(before.sequence)
        headers = {**headers, MSG_ID_HEADER: mark, _EXPECTED_SEQUENCE: expected}
        try:
            await publish(self._link, stream, subject, body, headers)
        except (OutOfDate, Unavailable) as error:
            there = await last_kept(self._link, stream, subject)  # it may be our own, which was not answered
            if there is not None and there.headers.get(MSG_ID_HEADER) == mark:
                return True
            if isinstance(error, Unavailable):
                raise
            return False
        return True

    async def _scheduled(self, name: str, kept: Kept, problems: Mapping[str, str]) -> Scheduled | None:
        schedule = _schedule(name, kept)
        if schedule is None or not self._sees(schedule):
            return None
        return Scheduled(
            schedule=schedule,
            since=kept.time,
            next=schedule.coming(kept.time, datetime.now(UTC)),
            last=await self._last(name, kept.sequence),
            problem=problems.get(name),
        )

    async def _problems(self) -> Mapping[str, str]:
        """Why those are stuck that are, by name."""
        found = await read_problems(self._link, self._subjects, SCHEDULES_MAX, PROBLEM_SOURCE)
        return {problem.service: problem.reason for problem in found}

    async def _last(self, name: str, revision: int) -> Firing | None:
        fired = await last_kept(self._link, self._subjects.schedules_stream, self._subjects.fired(name))
        if fired is None or fired.headers.get(REVISION_HEADER) != str(revision):
            return None
        due = datetime.fromisoformat(fired.headers[DUE_HEADER])
        return Firing(command_id=fired.headers[MSG_ID_HEADER], due=due)

    async def _underway(self, name: str, revision: int) -> Firing | None:
        last = await self._last(name, revision)
        if last is None or await read_result(self._link, self._subjects, last.command_id) is not None:
            return None
        return last

    def _sees(self, schedule: Schedule | None) -> bool:
        if not self._namespaces:
            return True
        own = frozenset(() if schedule is None else schedule.command.namespaces)
        return bool(own) and own <= self._namespaces


def _schedule(name: str, kept: Kept) -> Schedule | None:
    """None: it is of another version, or was written by hand and wrong."""
    try:
        return Schedule.stored(name, kept.body)
    except ValidationError:
        return None


def _unknown(name: str) -> UnknownSchedule:
    return UnknownSchedule(f"there is no schedule {name!r}: it has fired, was cancelled, or never was")


def _busy(name: str) -> Unavailable:
    return Unavailable(f"others wrote the schedule {name!r} each of {_TRIES} times: try again")
