"""Moments in a query: RFC 3339 with a time zone; not the numbers and naive times that pydantic would take too. Pure."""

import re
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


def _moment(value: Any) -> Any:
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError(
            f"{value[:64]!r} is no moment: write 2026-01-31T12:00:00Z, or an offset as +01:00 (in a link: %2B01:00)"
        )
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
