"""When a cron job is due, as robfig/cron says it, which swarm-cronjob and Go's tools use. Pure.

A cron expression (funswarm/cron.py) or `@every 1h30m`, in front of which `CRON_TZ=Area/City ` or `TZ=Area/City ` may
say the time zone. `@every` counts from when the job was first seen, in whole seconds, at least one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from funswarm.cron import SECOND, UTC_ZONE, Cron
from funswarm.units import DURATION_MAX_S, duration_s

_ZONE = re.compile(r"(?:CRON_TZ|TZ)=(\S*)(?:\s+(.*))?", re.DOTALL)
_EVERY: Final = "@every "


@dataclass(frozen=True, slots=True)
class Timetable:
    """`due`: when, by the clocks of `zone`; or at what interval."""

    due: Cron | timedelta
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo = UTC_ZONE) -> "Timetable":
        """`zone`: where the text does not say one.

        Raises:
            ValueError: it is none, it is never due, or there is no such zone; the way out is said.
        """
        if (match := _ZONE.fullmatch(text)) is not None:
            if match[2] is None:
                raise ValueError(f"{text!r} says a time zone only: write the schedule after it and a space")
            zone, text = zone_of(match[1]), match[2]
        text = text.strip()
        if text.startswith(_EVERY):
            return cls(_interval(text.removeprefix(_EVERY).strip()), zone)
        return cls(Cron.parse(text), zone)

    def next_after(self, since: datetime, moment: datetime) -> datetime | None:
        """The first due time after `moment`, in UTC; None: none for years. `since`: what `@every` counts from."""
        if isinstance(self.due, Cron):
            return self.due.next_after(max(since, moment), self.zone)
        start = since.replace(microsecond=0)
        return start + max(1, (moment - start) // self.due + 1) * self.due

    def newest(self, since: datetime, after: datetime, until: datetime) -> Iterator[datetime]:
        """The due times after `after` and not after `until`, the last one first."""
        while (found := self._latest(since, max(since, after), until)) is not None:
            yield found
            until = found - SECOND

    def _latest(self, since: datetime, after: datetime, until: datetime) -> datetime | None:
        if isinstance(self.due, Cron):
            return self.due.latest(after, until, self.zone)
        start = since.replace(microsecond=0)
        count = (until - start) // self.due
        found = start + count * self.due
        return found if count > 0 and found > after else None


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name in the IANA database.

    Raises:
        ValueError: there is none.
    """
    if name not in _zones():
        near = get_close_matches(name, _zones(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "write one as 'Europe/Berlin'"
        raise ValueError(f"there is no time zone {name!r}: {hint}")
    return ZoneInfo(name)


def _is_zone(name: str) -> str:
    zone_of(name)
    return name


ZoneName = Annotated[str, AfterValidator(_is_zone), Field(max_length=64)]


def _interval(text: str) -> timedelta:
    seconds = duration_s(text) if not text.replace(".", "").isdigit() else None  # Go's durations have units
    if seconds is None or seconds >= DURATION_MAX_S:
        raise ValueError(f"{text!r} is no interval: write '@every 1h30m'")
    return timedelta(seconds=max(1, int(seconds)))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
