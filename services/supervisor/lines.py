"""What the children say, made short enough to read along. Pure."""

import json
import re
from typing import Any, Final

WIDTH: Final = 9  # "scheduler"
COLOURS: Final = {"funswarm": 1, "nats": 35, "simulator": 33, "poller": 36, "scheduler": 32, "api": 34, "notifier": 31}
_NATS_LINE: Final = re.compile(r"\[\d+\] \S+ (?P<time>\S+?)(?:\.\d+)? \[(?P<level>[A-Z]{3})\] (?P<text>.*)")
_NATS_LEVELS: Final = {"WRN": "warning", "ERR": "error", "FTL": "error"}


def of_service(line: str) -> str | None:
    """A line of JSON as `12:00:00 warning words key=value`; any other line, such as a traceback, as it is."""
    try:
        entry: Any = json.loads(line)
        time, level, event = str(entry.pop("time")), str(entry.pop("level")), str(entry.pop("event"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return line or None
    entry.pop("part", None)
    exception = entry.pop("exception", None)
    details = "".join(f" {key}={_value(value)}" for key, value in entry.items())
    mark = "" if level == "info" else f" {level}:"
    return f"{time[11:19]}{mark} {event}{details}" + (f"\n{exception}" if exception else "")


def of_nats(line: str) -> str | None:
    """The warnings and errors of nats-server; None for its chatter."""
    match = _NATS_LINE.fullmatch(line)
    if match is None:
        return line or None
    level = _NATS_LEVELS.get(match["level"])
    return f"{match['time']} {level}: {match['text']}" if level else None


def prefixed(name: str, text: str, *, colour: bool) -> str:
    """Each line of `text` behind the name of who says it."""
    head = f"{name:<{WIDTH}} |"
    if colour:
        head = f"\033[{COLOURS.get(name, 0)}m{head}\033[0m"
    return "\n".join(f"{head} {line}" for line in text.splitlines())


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if " " in text or not text else text
