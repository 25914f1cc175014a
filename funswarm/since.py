"""Where a reader of events wants to begin: a sequence, a time, or so long ago. Pure: the clock is handed in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from funswarm.errors import InvalidRequest

Since = int | str | datetime | timedelta | None

_UNIT_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SEQUENCE = re.compile(r"\d{1,18}")
CLOCKS_DIFFER_S: Final = 60.0  # a time so far ahead of our clock may be the present of another
_WAY_OUT: Final = "give a sequence (1234), a time (2026-01-31T12:00:00Z) or how long ago (10m, 1h30m, 2d)"


def starting_point(since: Since, now: datetime) -> int | datetime | None:
    """What `since` means: read after this sequence, or from this time on; None: begin with a snapshot.

    Text is a sequence, an RFC 3339 time (without a zone: UTC), or a duration before `now`.

    Raises:
        InvalidRequest: it is none of these, or a time to come.
    """
    if isinstance(since, str):
        since = _parsed(since.strip())
    if isinstance(since, bool) or (isinstance(since, int) and since < 0):
        raise InvalidRequest(f"since {since!r} is no sequence of the stream: {_WAY_OUT}")
    if isinstance(since, timedelta):
        try:
            return now - abs(since)
        except OverflowError as error:
            raise InvalidRequest(f"since {since!r} is too long ago: {_WAY_OUT}") from error
    if isinstance(since, datetime):
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        if since > now + timedelta(seconds=CLOCKS_DIFFER_S):
            raise InvalidRequest(f"since {since.isoformat()} is in the future: it is {now.isoformat()} now; {_WAY_OUT}")
    return since


def _parsed(text: str) -> int | datetime | timedelta:
    if _SEQUENCE.fullmatch(text):
        return int(text)
    if _DURATION.fullmatch(text):
        try:
            return timedelta(seconds=sum(float(count) * _UNIT_S[unit] for count, unit in _PART.findall(text)))
        except OverflowError as error:
            raise InvalidRequest(f"since {text!r} is too long ago: {_WAY_OUT}") from error
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"since {text!r} is not understood: {_WAY_OUT}") from error
