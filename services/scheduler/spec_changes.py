"""The differences of two raw specs, for results: without what may be secret, our own labels left out. Pure."""

import json
from itertools import accumulate
from typing import Any, Final

from funswarm.messages import Change
from funswarm.spec_types import RESERVED_LABELS
from funswarm.state import REDACTED
from services.redaction import redacted_mounts, redacted_test

CHANGES_MAX: Final = 100
VALUE_MAX: Final = 2000
SURELY_MAX: Final = 2 * VALUE_MAX + 100  # bytes of a change but for its path, whose letters have at most 6
SIZE_MAX: Final = 400_000  # of all, in bytes: a result that NATS does not take would be tried again for ever


def spec_changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[Change, ...]:
    """By path, as `spec.Mode.Replicated.Replicas`; lists as wholes, `Env` and options of drivers by name alone."""
    result: list[Change] = []
    _walk("spec", before, after, result)
    if sum(6 * len(change.path) + SURELY_MAX for change in result) <= SIZE_MAX:  # far from it: not worth measuring
        return tuple(result)
    sizes = accumulate(len(change.model_dump_json().encode()) for change in result[:CHANGES_MAX])
    return tuple(result[: sum(size <= SIZE_MAX for size in sizes)])


def _walk(path: str, before: Any, after: Any, result: list[Change]) -> None:
    if path.endswith((".ContainerSpec.Env", ".PluginSpec.Env")):
        before, after = _variables(before), _variables(after)
    if not (_is_object(before) and _is_object(after)):
        before, after = _without_secrets(path, before), _without_secrets(path, after)
        result.append(Change(path=path, before=_short(before), after=_short(after)))
        return
    old, new = before or {}, after or {}
    is_secret, ours = path.endswith((".Env", ".LogDriver.Options")), RESERVED_LABELS if path == "spec.Labels" else ()
    for key in {**old, **new}:
        if old.get(key) == new.get(key) or key in ours:
            continue
        if is_secret:
            result.append(Change(path=f"{path}.{key}", before=_hidden(key, old), after=_hidden(key, new)))
        else:
            _walk(f"{path}.{key}", old.get(key), new.get(key), result)


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _without_secrets(path: str, value: Any) -> Any:
    if path.endswith(".Healthcheck.Test"):
        return redacted_test(value)
    return redacted_mounts(value) if path.endswith(".ContainerSpec.Mounts") else value


def _variables(env: list[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in env or [])}


def _hidden(key: str, variables: dict[str, str]) -> str | None:
    return REDACTED if key in variables else None


def _short(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str) and 12 * len(value) + 2 <= VALUE_MAX:  # a letter outside of the BMP is written so long
        return value
    size = len(json.dumps(value))
    return value if size <= VALUE_MAX else f"[{size} characters]"
