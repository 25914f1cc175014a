"""Which services are woken by requests, and how, as their labels say. Pure.

`funswarm.wake.*`, and Sablier's labels as aliases. The api and the scheduler read them by this module, so that both
mean the same; what is wrong with them is the scheduler's to tell.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from funswarm.cron import UTC_ZONE
from funswarm.spec import REPLICAS_MAX
from funswarm.state import Value
from funswarm.timetable import ZoneName, zone_of
from funswarm.units import Duration, Flag, flag

NAME: Final = "wake"
PREFIX: Final = f"funswarm.{NAME}."
SABLIER: Final = "sablier."
ALIASES: Final = {
    "sablier.enable": "enable",
    "sablier.group": "group",
    "sablier.active.replicas": "active-replicas",
    "sablier.idle.replicas": "idle-replicas",
    "sablier.ready-after": "ready-after",
    "sablier.ready-on-start": "ready-on-start",
    "sablier.running-hours": "running-hours",
    "sablier.running-days": "running-days",
    "sablier.anti-affinity": "anti-affinity",
}
DEFAULT_GROUP: Final = "default"
GROUPS_MAX: Final = 32
SESSION_S: Final = 300.0  # as Sablier's
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS: Final = re.compile(r"\s*(\d{1,2}):(\d{1,2})\s*-\s*(\d{1,2}):(\d{1,2})\s*")
_DAYS_AHEAD: Final = 8

Minutes = tuple[int, int]  # of a day: start, end


def _list(text: Any) -> Any:
    """`a, b,a` as (a, b)."""
    if not isinstance(text, str):
        return text
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _groups(text: Any) -> Any:
    return _list(text) or (DEFAULT_GROUP,)


def _hours(text: Any) -> Any:
    """`22:00-06:00` as minutes of the day."""
    if not isinstance(text, str):
        return text
    match = _HOURS.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[3]) > 23 or int(match[2]) > 59 or int(match[4]) > 59:
        raise ValueError(f"{text!r} are no hours: write '08:00-18:00'")
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if start == end:
        raise ValueError(f"{text!r} begins when it ends: write '08:00-18:00', or leave it out")
    return start, end


def _days(text: Any) -> Any:
    """`Mon,Friday` as (0, 4)."""
    if not isinstance(text, str):
        return text
    names = _list(text.lower())
    known = {form: number for number, day in enumerate(_DAYS) for form in (day, day[:3])}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{text!r} are no days of the week: write 'Mon,Tue,Wed'")
    return tuple(known[name] for name in names)


Count = Annotated[int, Field(ge=0, le=REPLICAS_MAX)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list), Field(max_length=GROUPS_MAX)]


@dataclass(frozen=True, slots=True)
class Hours:
    """One time of running: from `start` until before `end`."""

    start: datetime
    end: datetime


class WakeSettings(Value):
    """`group`: those that it is woken with. `active_replicas`, `idle_replicas`: while somebody asks for it, and else.

    `ready_after`: so long its tasks run before it is told ready; `ready_on_start`: it is as soon as it has replicas.
    `running_hours`: it runs then, whether somebody asks or not, on the `running_days` on which they begin, by the
    clocks of `timezone`. `anti_affinity`: it is idle while one of these groups is awake. `idle_after`: so long it stays
    where it was started otherwise than by a request.
    """

    group: Annotated[tuple[str, ...], BeforeValidator(_groups), Field(max_length=GROUPS_MAX)] = (DEFAULT_GROUP,)
    active_replicas: Annotated[int, Field(ge=1, le=REPLICAS_MAX)] = 1
    idle_replicas: Count = 0
    ready_after: Duration = 0.0
    ready_on_start: Flag = False
    running_hours: Annotated[Minutes | None, BeforeValidator(_hours)] = None
    running_days: Annotated[tuple[int, ...], BeforeValidator(_days)] = ()
    anti_affinity: Names = ()
    timezone: ZoneName | None = None
    idle_after: Duration = SESSION_S

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.idle_replicas > self.active_replicas:
            raise ValueError(f"idle-replicas {self.idle_replicas} are more than active-replicas {self.active_replicas}")
        if self.running_days and self.running_hours is None:
            raise ValueError("running-days says on which days running-hours count: give running-hours too")
        return self

    def hours_at(self, now: datetime) -> Hours | None:
        """The running hours that `now` is within."""
        return next((one for one in self._hours_about(now) if one.start <= now < one.end), None)

    def hours_after(self, now: datetime) -> Hours | None:
        """The running hours that begin next."""
        return next((one for one in self._hours_about(now) if one.start > now), None)

    def _hours_about(self, now: datetime) -> Iterator[Hours]:
        """From yesterday's on; those that the clocks' going forward leaves nothing of are none."""
        if self.running_hours is None:
            return
        today = now.astimezone(UTC_ZONE if self.timezone is None else zone_of(self.timezone)).date()
        for ahead in range(-1, _DAYS_AHEAD + 1):
            day = today + timedelta(days=ahead)
            if self.running_days and day.weekday() not in self.running_days:
                continue
            start, end = self.running_hours
            found = Hours(self._at(day, start), self._at(day + timedelta(days=end < start), end))
            if found.start < found.end:
                yield found

    def _at(self, day: date, minute: int) -> datetime:
        zone = UTC_ZONE if self.timezone is None else zone_of(self.timezone)
        return datetime.combine(day, time(minute // 60, minute % 60), zone).astimezone(UTC)


def wake_settings(mode: str, labels: Mapping[str, str]) -> WakeSettings | None:
    """What the labels of a service of that mode ask for; None: nothing, or what is not understood: it is not woken."""
    given = {key: labels[label] for label, key in ALIASES.items() if label in labels}
    given |= {label.removeprefix(PREFIX): value for label, value in labels.items() if label.startswith(PREFIX)}
    try:
        if mode != "replicated" or not enabled(given.pop("enable", "false"), labels):
            return None
        values = {key.replace("-", "_"): value for key, value in given.items()}
        return WakeSettings.model_validate({key: values[key] for key in WakeSettings.model_fields if key in values})
    except (ValueError, ValidationError):
        return None


def enabled(value: str, labels: Mapping[str, str]) -> bool:
    """Whether the switch is on; Sablier's knows `true` only.

    Raises:
        ValueError: it is neither on nor off.
    """
    if f"{PREFIX}enable" not in labels and flag(value) and value != "true":
        raise ValueError(f"sablier.enable={value} counts for nothing: write true")
    return bool(flag(value))
