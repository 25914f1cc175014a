"""Durations, sizes and flags as people write them: `10s`, `1m30s`, `64M`, `true`. Pure.

Durations become seconds (float), sizes bytes (int). The words are Go's and Docker's own, so what is written for
`docker service create` works here.
"""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

DURATION_MAX_S: Final = 10 * 366 * 86_400.0  # Swarm's own limit is some 292 years in nanoseconds
SIZE_MAX_BYTES: Final = 2**53  # what JSON numbers carry exactly

_MICRO: Final = ("\u00b5s", "\u03bcs")  # the sign, and the Greek letter
_UNITS_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, **dict.fromkeys(_MICRO, 1e-6), "ns": 1e-9}
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})  # Go's strconv.ParseBool, as Docker's tools
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_DURATION_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(h|ms|us|[\u00b5\u03bc]s|ns|m|s)")
_DURATION = re.compile(rf"[+]?(?:{_DURATION_PART.pattern})+")  # as Go's time.ParseDuration
_SIZE = re.compile(r"(\d{1,16}(?:\.\d{1,9})?)\s?([bkmgtp]?)(?:i?b)?", re.IGNORECASE)


def duration_s(value: Any) -> Any:
    """`"1m30s"` as 90.0; a number (also in text) means seconds; what is neither is left to pydantic to refuse.

    Raises:
        ValueError: a text or a truth that is no duration.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value} is no duration: write '10s', '1m30s', '500ms' or seconds as a number")  # noqa: TRY004
    if not isinstance(value, str):
        return value
    if _SECONDS.fullmatch(value):
        return float(value)
    if not _DURATION.fullmatch(value):
        raise ValueError(f"{value!r} is no duration: write '10s', '1m30s', '500ms' or seconds as a number")
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(value))


def size_bytes(value: Any) -> Any:
    """`"64M"` as 67108864 (powers of 1024, as Docker's); a number means bytes.

    Raises:
        ValueError: a text that is no size.
    """
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if not match:
        raise ValueError(f"{value!r} is no size: write '64M', '1.5G' or bytes as a number")
    power = " kmgtp".index(match[2].lower()) if match[2].lower() not in ("", "b") else 0
    return int(float(match[1]) * 1024**power)


def flag(text: Any) -> Any:
    """`true` and its kin as a bool; what is no text is left to pydantic.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str):
        return text
    if text not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return text in _TRUE


def nanoseconds(seconds: float) -> int:
    """Swarm's unit for durations."""
    return round(seconds * 1e9)


Duration = Annotated[
    float,
    BeforeValidator(duration_s),
    Field(ge=0, le=DURATION_MAX_S, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": DURATION_MAX_S},
                {"type": "string", "pattern": f"^(?:{_SECONDS.pattern}|{_DURATION.pattern})$"},
            ],
            "description": "'10s', '1m30s' or seconds",
        }
    ),
]
Size = Annotated[
    int,
    BeforeValidator(size_bytes),
    Field(ge=0, le=SIZE_MAX_BYTES),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": SIZE_MAX_BYTES},
                {"type": "string", "pattern": "^[0-9]{1,16}([.][0-9]{1,9})?[ ]?[bkmgtpBKMGTP]?([iI]?[bB])?$"},
            ],
            "description": "'64M', '1.5G' or bytes",
        }
    ),
]
Flag = Annotated[bool, BeforeValidator(flag)]
