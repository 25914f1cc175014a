"""Changing raw Engine JSON by the smallest path, so that fields we do not know survive. Pure: inputs are not touched.

Objects are merged key by key, lists replaced, entries `KEY=value` and mappings changed by key (None takes away).
"""

from collections.abc import Mapping
from typing import Any, Final

# Where zero says something else than nothing: pointers and counts that the engine keeps apart from "not given".
ZERO_MEANS_ZERO: Final = frozenset(
    {"Init", "StopGracePeriod", "Replicas", "MaxConcurrent", "TotalCompletions", "Delay", "MaxAttempts", "Window"}
    | {"Parallelism"}
)


def sparse(**fields: Any) -> dict[str, Any]:
    """The fields that say something: without those that are None or an empty object."""
    return {key: value for key, value in fields.items() if value is not None and value != {}}


def merged(before: Any, change: Any) -> Any:
    """`before` with `change` laid over it; a zero laid over nothing is nothing, as the engine leaves zeros out."""
    if not isinstance(change, dict):
        return change
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in change.items():
        if key not in result and not value and key not in ZERO_MEANS_ZERO:
            continue
        new = merged(result.get(key), value)
        if new != {} or key in result:
            result[key] = new
    return result


def by_key(before: Mapping[str, str] | None, change: Mapping[str, str | None]) -> dict[str, str]:
    """A mapping with some keys set, and those with None taken away."""
    together = {**(before or {}), **change}
    return {key: value for key, value in together.items() if value is not None}


def by_name(before: list[str] | None, change: Mapping[str, str | None]) -> list[str]:
    """The same for a list of `KEY=value`; the order stays, what is new comes last."""
    rest = dict(change)
    result = []
    for entry in before or []:
        name = entry.partition("=")[0]
        if name not in change:
            result.append(entry)
        elif (value := rest.pop(name, None)) is not None:
            result.append(f"{name}={value}")
    return [*result, *(f"{name}={value}" for name, value in rest.items() if value is not None)]
