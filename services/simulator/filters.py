"""The `filters` parameter of list calls: what it may hold, and what it matches (daemon/cluster/filters.go). Pure.

A `name` on services and nodes is a *prefix*: `web` also finds `web-db`.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping

from services.simulator.model import ApiError

Wanted = Mapping[str, list[str]]


def parse(text: str, known: Collection[str]) -> Wanted:
    """The filters by key; `{"name": ["web"]}` and the older `{"name": {"web": true}}` are the same.

    Raises:
        ApiError: it is not JSON of that form, or has an unknown key (400).
    """
    try:
        value = json.loads(text or "{}")
        wanted = {key: [str(item) for item in items] for key, items in value.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ApiError(400, f"invalid filter: {error}") from error
    for key in wanted:
        if key not in known:
            raise ApiError(400, f"Invalid filter '{key}'")
    return {key: items for key, items in wanted.items() if items}


def starts(value: str, prefixes: Iterable[str] | None) -> bool:
    """Whether a value starts with any of the prefixes; no prefixes match all."""
    return prefixes is None or value.startswith(tuple(prefixes))


def is_any(value: str, wanted: Collection[str] | None) -> bool:
    """Whether a value is one of those wanted; none wanted matches all."""
    return wanted is None or value in wanted


def found(value: str, patterns: Iterable[str] | None) -> bool:
    """Whether any of the patterns is found in a value, as networks' filters do."""
    return patterns is None or any(re.search(pattern, value) for pattern in patterns)


def labelled(labels: Mapping[str, str], wanted: Iterable[str] | None) -> bool:
    """Whether all wanted labels are there: `key`, or `key=value`."""
    for item in wanted or ():
        key, _, value = item.partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    return True
