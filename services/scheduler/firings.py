"""Schedules become commands: each is armed for its next time, and what fires is put among the commands. I/O by the bus.

NATS is the clock: an alarm is a scheduled message of its own (ADR-51 of NATS), which it stores as a firing when its
time has come, or as soon as it is back. What is done for a message is stored only while the schedule is still what it
was (its last sequence), and doing it again stores nothing new; so a crash at any line, a copy that was superseded, and
a schedule that is cancelled meanwhile do no harm. The command's id is made of the time at which the firing was due.
"""

import asyncio
from collections.abc import AsyncIterable
from datetime import UTC, datetime
from typing import Final

import structlog
from pydantic import ValidationError

from funswarm.commands import COMMANDS
from funswarm.errors import FunswarmError, PermanentError, TemporaryError
from funswarm.explain import explain
from funswarm.messages import MSG_ID_HEADER, TRACEPARENT_HEADER, Problem
from funswarm.schedules import DUE_HEADER, PROBLEM_SOURCE, REVISION_HEADER, Schedule
from funswarm.tracing import traceparent_or_new
from services.bus.connection import Bus
from services.bus.deliveries import Delivery
from services.bus.problems import ProblemTeller
from services.bus.reading import Stored

RETRY_S: Final = 0.5
REFUSED_RETRY_S: Final = 10.0
FIRED_MAX_AGE_S: Final = 7 * 86_400  # for `Scheduled.last`; not longer than its result, else it could be done again
CLEARED_TTL: Final = "1m"

log = structlog.get_logger(__name__)


class Firings:
    """Works off what the schedules' consumer hands out, one after the other."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._subjects = bus.subjects
        self._stream = bus.subjects.schedules_stream
        self._problems = ProblemTeller(bus, PROBLEM_SOURCE)

    async def run(self, deliveries: AsyncIterable[Delivery]) -> None:
        """Until the deliveries end, or cancelled."""
        async for delivery in deliveries:
            with structlog.contextvars.bound_contextvars(subject=delivery.subject):
                await self._finish(delivery)

    async def _finish(self, delivery: Delivery) -> None:
        while True:
            try:
                if await self._handle(delivery):
                    await delivery.ack()
                else:
                    await delivery.nak(REFUSED_RETRY_S)
            except TemporaryError as error:
                log.warning("tried in vain", reason=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _handle(self, delivery: Delivery) -> bool:
        """Do what a message asks for; False: it cannot be done now, for a reason that takes longer.

        Raises:
            TemporaryError: NATS does not answer.
        """
        name = delivery.subject.rpartition(".")[2]
        stuck, done = None, True
        try:
            if delivery.subject == self._subjects.fired(name):
                await self._submit(delivery)
            elif delivery.subject == self._subjects.firing(name):
                await self._fire(name, delivery)
            elif delivery.body:
                await self._begin(name, delivery)
            else:
                await self._clear(name, delivery.sequence)
        except TemporaryError:
            raise
        except FunswarmError as error:
            log.error("a schedule is stuck", reason=str(error))  # noqa: TRY400  it is no fault of ours
            stuck, done = f"{error}; it is tried again", False
        except ValidationError as error:
            log.error("a schedule is not understood", reason=explain(error))  # noqa: TRY400
            stuck = f"it is not understood, so it does not fire: {explain(error)}; put it anew, or cancel it"
        except Exception as error:
            log.exception("a fault in Funswarm itself")
            stuck, done = f"a fault in Funswarm itself: {error!r}; it is tried again", False
        await self._tell(name, delivery, stuck)
        return done

    async def _tell(self, name: str, delivery: Delivery, stuck: str | None) -> None:
        """Let it be seen whether a schedule is stuck, where that can be known."""
        if stuck is None and delivery.subject == self._subjects.firing(name):
            return  # an earlier schedule's, perhaps
        found = (
            () if stuck is None else (Problem(source=PROBLEM_SOURCE, service=name, reason=f"schedule {name}: {stuck}"),)
        )
        try:
            await self._problems.tell(name, found)
        except PermanentError as error:
            log.warning("not told that a schedule is stuck", reason=str(error))

    async def _begin(self, name: str, delivery: Delivery) -> None:
        """A schedule was put: arm it, unless that was done before."""
        schedule = Schedule.stored(name, delivery.body)
        armed = await self._bus.newest(self._stream, self._subjects.alarm(name))
        if armed is None or armed.headers.get(REVISION_HEADER) != str(delivery.sequence):
            await self._arm(name, delivery.sequence, schedule.first(delivery.accepted_at))

    async def _fire(self, name: str, delivery: Delivery) -> None:
        """Its time has come: make the command, and arm it for the next time."""
        put = await self._bus.newest(self._stream, self._subjects.schedule(name))
        revision, due = delivery.headers.get(REVISION_HEADER), delivery.headers.get(DUE_HEADER)
        if put is None or not put.body or due is None or revision != str(put.sequence):
            return  # cancelled, or another one now
        schedule, moment = Schedule.stored(name, put.body), datetime.fromisoformat(due)
        if await self._armed_since(name, put.sequence, moment):
            return
        since = datetime.fromisoformat(put.time)
        last = schedule.latest(since, delivery.accepted_at)  # later than `due`, where NATS was away for longer
        slot = moment if last is None else max(moment, last)
        if await self._claim(name, put, schedule, slot):
            following = schedule.next_after(since, max(slot, datetime.now(UTC)))
            await self._arm(name, put.sequence, following)

    async def _armed_since(self, name: str, revision: int, due: datetime) -> bool:
        """Whether it is armed for a time after `due`: then that firing was worked off before."""
        armed = await self._bus.newest(self._stream, self._subjects.alarm(name))
        headers = {} if armed is None else armed.headers
        return headers.get(REVISION_HEADER) == str(revision) and datetime.fromisoformat(headers[DUE_HEADER]) > due

    async def _claim(self, name: str, put: Stored, schedule: Schedule, slot: datetime) -> bool:
        """Store the command of that slot: from here on it will be done. False: the schedule is another one now."""
        command = schedule.command_at(slot)
        ttl = f"{min(FIRED_MAX_AGE_S, int(self._bus.settings.results_max_age_s))}s"
        headers = _marks(put.sequence, slot) | {MSG_ID_HEADER: command.id, "Nats-TTL": ttl}
        message = self._subjects.fired(name), command.model_dump_json().encode(), headers
        return await self._while(name, put.sequence, message)

    async def _arm(self, name: str, revision: int, due: datetime | None) -> None:
        """Have NATS fire at `due`; None: never again, so the schedule is over."""
        if due is None:
            over = {MSG_ID_HEADER: f"over-{revision}", "Nats-TTL": CLEARED_TTL}
            await self._while(name, revision, (self._subjects.schedule(name), b"", over))
            return
        headers = _marks(revision, due) | {
            MSG_ID_HEADER: f"alarm-{revision}-{due.timestamp():.0f}",
            "Nats-Schedule": f"@at {due:%Y-%m-%dT%H:%M:%SZ}",
            "Nats-Schedule-Target": self._subjects.firing(name),
        }
        await self._while(name, revision, (self._subjects.alarm(name), b"", headers))

    async def _clear(self, name: str, revision: int) -> None:
        """It was cancelled, or is over: nothing of it needs to stay."""
        for what in (self._subjects.alarm(name), self._subjects.firing(name)):
            headers = {MSG_ID_HEADER: f"clear-{what}-{revision}", "Nats-TTL": CLEARED_TTL}
            await self._while(name, revision, (what, b"", headers))

    async def _submit(self, delivery: Delivery) -> None:
        """Hand the command over, as if somebody sent it now."""
        command = COMMANDS.validate_json(delivery.body)
        headers = {MSG_ID_HEADER: command.id, TRACEPARENT_HEADER: traceparent_or_new(None)}
        subject = self._subjects.command(command.verb, command.target)
        await self._bus.publish(subject, delivery.body, headers, self._subjects.commands_stream)
        log.info("fired", command=command.id, verb=command.verb, target=command.target)

    async def _while(self, name: str, revision: int, message: tuple[str, bytes, dict[str, str]]) -> bool:
        return await self._bus.publish_while(message, self._stream, self._subjects.schedule(name), revision)


def _marks(revision: int, due: datetime) -> dict[str, str]:
    return {REVISION_HEADER: str(revision), DUE_HEADER: f"{due:%Y-%m-%dT%H:%M:%S}+00:00"}
