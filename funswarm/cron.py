"""Cron expressions: what robfig/cron and NATS take, and when they are due. Pure.

Six fields (second minute hour day-of-month month day-of-week), or five, which is second 0. A field: `*` or `?`, `a`,
`a-b`, each with `/step` (`a/step` goes to the field's end), joined by commas; months and days of the week also by their
English three letters; Sunday is 0, not 7. Where both kinds of day are restricted, either is enough. And `@yearly`,
`@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`.

A time is due when the clocks of the zone show it: what they skip in spring does not come, what they show twice in
autumn comes twice.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

YEARS_MAX: Final = 5  # nothing due for so long means never
SECOND: Final = timedelta(seconds=1)

_ALIASES: Final = {
    "@yearly": "0 0 0 1 1 *", "@annually": "0 0 0 1 1 *", "@monthly": "0 0 0 1 * *", "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *", "@midnight": "0 0 0 * * *", "@hourly": "0 0 * * * *",
}  # fmt: skip
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>[*?]|[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?(?:/(?P<step>[0-9]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Range:
    """A field's name, its bounds, and words for its numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Range("second", 0, 59),
    _Range("minute", 0, 59),
    _Range("hour", 0, 23),
    _Range("day of month", 1, 31),
    _Range("month", 1, 12, _MONTHS),
    _Range("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The numbers of each field. `either_day`: both kinds of day are restricted, so one of them is enough."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """
        Raises:
            ValueError: it is none, or it is never due; the field and the way out are said.
        """
        words = _ALIASES.get(text, text).lower().split()
        if len(words) == 5:
            words.insert(0, "0")
        if len(words) != 6:
            raise ValueError(
                f"{text!r} is no cron expression: write 'second minute hour day-of-month month day-of-week', as in"
                f" '0 30 4 * * *', or one of {', '.join(_ALIASES)}"
            )
        parsed = [_field(word, field) for word, field in zip(words, _FIELDS, strict=True)]
        either_day = not (parsed[3][1] or parsed[5][1])
        seconds, minutes, hours, days, months, weekdays = (numbers for numbers, _ in parsed)
        cron = cls(seconds, minutes, hours, days, months, weekdays, either_day)
        if cron.next_after(datetime(2096, 1, 1, tzinfo=UTC), UTC_ZONE) is None:  # a leap year follows: 29 February is
            raise ValueError(f"{text!r} is never due: there is no such day")
        return cron

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first due time after `moment`, in UTC and whole seconds; None: none for years."""
        return self._first(moment, moment + timedelta(days=366 * YEARS_MAX), zone)

    def _first(self, after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
        """The first due time that is after `after` and not after `until`."""
        at = after.astimezone(UTC).replace(microsecond=0) + SECOND
        while at <= until:
            local = at.astimezone(zone)
            if not self._day(local):
                later = datetime.combine(self._later_day(local.date()), time(), zone)
                at = max(later.astimezone(UTC), at + SECOND)
            elif local.hour not in self.hours:
                at = _later_hour(at, local, zone)
            elif local.minute not in self.minutes:
                at += timedelta(minutes=_later(local.minute, self.minutes) - local.minute, seconds=-local.second)
            elif local.second not in self.seconds:
                at += timedelta(seconds=_later(local.second, self.seconds) - local.second)
            else:
                return at
        return None

    def latest(self, since: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
        """The last due time that is after `since` and not after `until`; None: there is none."""
        if self._first(since, until, zone) is None:  # as for most who ask
            return None
        found, low, span = None, until, SECOND
        while found is None and low > since:  # backwards in growing strides, until there is one
            low = max(since, until - span)
            found, span = self._first(low, until, zone), 2 * span
        last = until
        while found is not None and self._first(found, last, zone) is not None:
            middle = found + (last - found) / 2
            if (later := self._first(middle, last, zone)) is not None:
                found = later
            else:
                last = middle
        return found

    def _later_day(self, day: date) -> date:
        """The next one; where nothing of the month is due the first of the next month."""
        if day.month in self.months:
            return day + timedelta(days=1)
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)

    def _day(self, local: datetime) -> bool:
        by_date, by_week = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return local.month in self.months and (by_date or by_week if self.either_day else by_date and by_week)


UTC_ZONE: Final = ZoneInfo("UTC")


def _later_hour(at: datetime, local: datetime, zone: ZoneInfo) -> datetime:
    """When the next hour begins; the next quarter, where the clocks change before: they do at 2:45 in the Chathams."""
    later = at + timedelta(hours=1, minutes=-local.minute, seconds=-local.second)
    if later.astimezone(zone).utcoffset() == local.utcoffset():
        return later
    return at + timedelta(minutes=15 - local.minute % 15, seconds=-local.second)


def _later(number: int, numbers: frozenset[int]) -> int:
    """The next of the numbers, which are minutes or seconds; 60: none. Clocks change at full hours, or by some."""
    return min((one for one in numbers if one > number), default=60)


@lru_cache(maxsize=4096)  # thousands of expressions share their numbers
def _field(word: str, field: _Range) -> tuple[frozenset[int], bool]:
    """The numbers, and whether it is a star: `*` or `?`, also with a step of 1."""
    numbers: set[int] = set()
    star = False
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["first"] in "*?" and match["last"]):
            raise ValueError(f"{part!r} is no {field.name}: write '*', '5', '1-5', '*/10' or a list of them")
        step = int(match["step"] or 1)
        if match["first"] in "*?":
            first, last = field.low, field.high
            star = star or step == 1
        else:
            first = _number(match["first"], field)
            last = _number(match["last"], field) if match["last"] else field.high if match["step"] else first
        if step < 1 or first > last:
            raise ValueError(f"{part!r} is no {field.name}: its {'step is 0' if step < 1 else 'end is before it'}")
        numbers.update(range(first, last + 1, step))
    return frozenset(numbers), star


def _number(word: str, field: _Range) -> int:
    if word in field.words:
        return field.words.index(word) + field.low
    if not word.isdecimal() or not field.low <= int(word) <= field.high:
        words = f", or {field.words[0]} to {field.words[-1]}" if field.words else ""
        raise ValueError(f"{word!r} is no {field.name}: it goes from {field.low} to {field.high}{words}")
    return int(word)
