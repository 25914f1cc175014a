"""Schedules: a command, and when it is to be done: at a moment, at an interval, or as a cron expression says.

Pure models and what follows from them. How one travels: Client -> SCHEDULES -> NATS fires it -> scheduler -> COMMANDS.
Each firing is a command of its own, whose id is made of the schedule's name and of the time at which it was due.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from funswarm.commands import COMMANDS, VERBS, Command, shape
from funswarm.cron import SECOND, UTC_ZONE, Cron
from funswarm.explain import explain
from funswarm.messages import Result
from funswarm.state import Published, Value
from funswarm.timetable import ZoneName
from funswarm.units import Duration, duration_s

NAME: Final = r"^[A-Za-z0-9_-]{1,46}$"  # with the time behind it, it is a command's id
NEXT_COUNT: Final = 3
REVISION_HEADER: Final = "Funswarm-Schedule"  # of alarms and firings: the sequence of the schedule's own message
PROBLEM_SOURCE: Final = "schedule"  # as which it is told that one is stuck; by its name
DUE_HEADER: Final = "Funswarm-Due"
_ANY_ID: Final = "scheduled"
_YEARS: Final = range(2000, 3000)
_SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


def _moment(value: Any, info: ValidationInfo) -> Any:
    """`+10m` as the moment that is so far from now; all else is left to pydantic."""
    if not isinstance(value, str) or not value.startswith("+"):
        return value
    if info.context is not None:
        raise ValueError(f"{value!r} is another moment each time that it is read: write the moment itself")
    try:
        return datetime.now(UTC) + timedelta(seconds=duration_s(value[1:]))
    except OverflowError as error:
        raise ValueError(f"{value!r} is too far away") from error


def _without_id(command: Any) -> Any:
    return {**command, "id": _ANY_ID} if isinstance(command, dict) else command


_Shape = Annotated[dict[str, Any], Field(json_schema_extra=shape(VERBS))]
_Moment = AwareDatetime | Annotated[str, Field(pattern=r"^\+[0-9]")]


class Plan(Value):
    """What is to be done, and when: exactly one of `at`, `every`, `cron`.

    `missed`: what becomes of a firing whose time has passed while NATS or the scheduler was away: `once` does the last
    one that was missed, `drop` only one that is at most `drop_after_s` late.
    """

    command: Annotated[Command, BeforeValidator(_without_id, json_schema_input_type=_Shape)] = Field(
        description="Any command; its `id` is made anew for each firing"
    )
    at: Annotated[AwareDatetime | None, BeforeValidator(_moment, json_schema_input_type=_Moment | None)] = Field(
        None, description="Once, at this moment (RFC 3339 with a time zone), or so long from now, as '+10m'"
    )
    every: Duration | None = Field(None, description="Again and again, at this interval: whole seconds, at least 1")
    cron: str | None = Field(None, max_length=256, description="Six fields, seconds first; or five; or as '@daily'")
    time_zone: ZoneName | None = Field(None, description="Of `cron`, as 'Europe/Berlin'; none: UTC")
    missed: Literal["once", "drop"] = Field(
        "once", description="What becomes of a firing whose time passed while NATS or the scheduler was away"
    )
    drop_after_s: Duration | None = Field(None, description="With `drop`: how late a firing may be")

    @field_validator("at")
    @classmethod
    def _whole_second(cls, at: datetime | None) -> datetime | None:
        if at is None:
            return None
        if at.year not in _YEARS:
            raise ValueError(f"the year {at.year} is too far away")
        at = at.astimezone(UTC)
        return at if at.microsecond == 0 else at.replace(microsecond=0) + SECOND

    @field_validator("every")
    @classmethod
    def _whole_seconds(cls, every: float | None) -> float | None:
        if every is not None and (every < 1 or not every.is_integer()):
            raise ValueError("an interval has whole seconds, at least one")
        return every

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str | None) -> str | None:
        if cron is not None:
            Cron.parse(cron)
        return cron

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if sum(when is not None for when in (self.at, self.every, self.cron)) != 1:
            raise ValueError("give exactly one of at, every and cron")
        if self.time_zone is not None and self.cron is None:
            raise ValueError("a time zone goes with cron only")
        if (self.missed == "drop") != (self.drop_after_s is not None):
            raise ValueError("'missed: drop' and drop_after_s go together")
        if self.command.deadline is not None:
            raise ValueError("a deadline is of one firing: use 'missed: drop' with drop_after_s")
        return self


class Schedule(Plan):
    """A plan under a name, which is unique: putting another one under it replaces it."""

    name: str = Field(pattern=NAME)

    @classmethod
    def stored(cls, name: str, body: bytes) -> Self:
        """The schedule that is the last message on the subject of `name`.

        Raises:
            ValidationError: it is none, or of another name.
        """
        return cls.model_validate_json(body, context=name)

    @field_validator("name")
    @classmethod
    def _is_of_its_subject(cls, name: str, info: ValidationInfo) -> str:
        if info.context not in (None, name):
            raise ValueError(f"the body is the schedule {name!r}, and the subject that of {info.context!r}")
        return name

    @model_validator(mode="after")
    def _can_fire(self) -> Self:
        """With the id that a firing has: those of a batch's commands are made of it, and have a limit."""
        try:
            COMMANDS.validate_json(self.command_at(_SOME_TIME).model_dump_json())
        except ValidationError as error:
            raise ValueError(f"command: {explain(error)}") from error
        return self

    def command_at(self, slot: datetime) -> Command:
        """The command of the firing that was due at `slot`."""
        late_s = self.drop_after_s
        deadline = None if late_s is None else slot + timedelta(seconds=late_s)
        return self.command.model_copy(
            update={"id": f"{self.name}-{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}", "deadline": deadline}
        )

    def first(self, since: datetime) -> datetime | None:
        """The first time at which it is due, when it was put at `since`."""
        return self.at or self.next_after(since, since)

    def next_after(self, since: datetime, moment: datetime) -> datetime | None:
        """The first time after `moment` at which it is due; None: never again (or not for years)."""
        if self.at is not None:
            return self.at if self.at > moment else None
        if self.every is not None:
            start, interval = since.replace(microsecond=0), timedelta(seconds=self.every)
            return start + max(1, (moment - start) // interval + 1) * interval
        return Cron.parse(self.cron or "").next_after(max(since, moment), self._zone)

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """The last time, after `since` and not after `until`, at which it was due; None: there was none."""
        if self.at is not None:
            return self.at if self.at <= until else None
        if self.every is not None:
            start, interval = since.replace(microsecond=0), timedelta(seconds=self.every)
            count = (until - start) // interval
            return start + count * interval if count > 0 else None
        return Cron.parse(self.cron or "").latest(since, until, self._zone)

    def coming(self, since: datetime, now: datetime) -> tuple[datetime, ...]:
        """The next few times at which it is due."""
        found: list[datetime] = []
        moment = now
        while len(found) < NEXT_COUNT and (due := self.next_after(since, moment)) is not None:
            found.append(due)
            moment = due
        return tuple(found)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone) if self.time_zone else UTC_ZONE


class Firing(Published):
    """One firing: the command that was made of it, and when it was due."""

    command_id: str
    due: datetime


class Scheduled(Published):
    """A schedule as it stands. `since`: when it was put. `next`: the next few times at which it is due.

    `last`: its last firing that is still known of; `result`: how that command ended, where it was asked for and has.
    `problem`: why it is stuck, None where it is not.
    """

    schedule: Schedule
    since: datetime
    next: tuple[datetime, ...] = ()
    last: Firing | None = None
    result: Result | None = None
    problem: str | None = None


class Cancelled(Published):
    """A schedule that will not fire any more. `underway`: a firing of it from before that has not ended yet."""

    name: str
    underway: Firing | None = None
