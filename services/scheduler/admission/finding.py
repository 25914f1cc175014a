"""What a rule finds in a spec, and what becomes of it: a refusal. Pure values, and tolerant ways into raw JSON."""

import json
from dataclasses import dataclass
from typing import Any

from services.scheduler.admission.policy import Rule


@dataclass(frozen=True, slots=True)
class Refusal:
    """`what` is refused by `rule`; `way_out` says what to do instead."""

    rule: Rule
    what: str
    way_out: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.what}: {self.way_out}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal, were it new. The same `item` in the spec before makes it an old one, unless its `amount` grows."""

    refusal: Refusal
    item: str
    amount: float = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.refusal.rule, self.item


def found(rule: Rule, item: Any, what: str, way_out: str, amount: float = 0) -> Finding:
    """A finding; `item` is any JSON."""
    return Finding(Refusal(rule, what, way_out), text_of(item), amount)


def text_of(value: Any) -> str:
    """Equal for equal JSON; fields that say nothing (null, false, zero, empty) are as if they were not there."""
    return json.dumps(_said(value), sort_keys=True)


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: said for key, one in value.items() if (said := _said(one))}
    return [_said(one) for one in value] if isinstance(value, list) else value


def part(value: Any, *path: str) -> dict[str, Any]:
    """The object at the path; empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Any]:
    """A list, or what is not there as an empty one."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; an object alone is one of them."""
    return [value] if isinstance(value, dict) else [one for one in entries(value) if isinstance(one, dict)]


def container(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec's ContainerSpec."""
    return part(spec, "TaskTemplate", "ContainerSpec")
