"""A time of each day, as `22:00-06:00` in UTC, in which something may begin. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

PATTERN: Final = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"


@dataclass(frozen=True, slots=True)
class Daily:
    """`end` before `start`: over midnight; both equal: always."""

    start: time
    end: time

    def opens(self, now: datetime) -> datetime:
        """When it is open next: `now` itself, where it is; `now` is in UTC."""
        here = now.time()
        inside = self.start <= here < self.end if self.start < self.end else here >= self.start or here < self.end
        if inside:
            return now
        today = datetime.combine(now.date(), self.start, now.tzinfo)
        return today if today > now else today + timedelta(days=1)


def daily(text: str | None) -> Daily | None:
    """None: at any time.

    Raises:
        ValueError: it is none.
    """
    if text is None:
        return None
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is no time of the day: write 22:00-06:00, in UTC")
    start, end = (time.fromisoformat(part) for part in text.split("-"))
    return Daily(start, end)
