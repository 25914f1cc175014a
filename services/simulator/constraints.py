"""Placement constraints, `node.labels.disk == ssd`: SwarmKit's language, and which nodes meet them.

Pure. Rules and texts: swarmkit manager/constraint/constraint.go.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.simulator.model import Json, Node, unknown

_KEY = re.compile(r"^(?i:[a-z_][a-z0-9\-_.]+)$")
_VALUE = re.compile(r"^(?i:[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+)$")


@dataclass(frozen=True, slots=True)
class Constraint:
    """`key == value`, or `!=` where `equal` is false."""

    key: str
    equal: bool
    value: str


def parse_constraints(expressions: Iterable[str]) -> list[Constraint]:
    """The constraints that a spec lists.

    Raises:
        ApiError: one is not of the form `key==value` or `key!=value` (500, as SwarmKit gives it no code).
    """
    return [_parse(expression) for expression in expressions]


def _parse(expression: str) -> Constraint:
    for operator in ("==", "!="):
        if operator not in expression:
            continue
        key, value = (part.strip() for part in expression.split(operator, 1))
        if not _KEY.match(key):
            raise unknown(f"key '{key}' is invalid")
        if not _VALUE.match(value):
            raise unknown(f"value '{value}' is invalid")
        return Constraint(key, operator == "==", value)
    raise unknown("constraint expected one operator from ==, !=")


def satisfies(node: Node, constraints: Iterable[Constraint]) -> bool:
    """Whether a node meets all constraints. An unknown key meets none; a missing label is the empty value."""
    return all(_met(node, constraint) for constraint in constraints)


def _met(node: Node, constraint: Constraint) -> bool:
    actual = node_value(node, constraint.key)
    return actual is not None and (actual.lower() == constraint.value.lower()) == constraint.equal


def node_value(node: Node, key: str) -> str | None:
    """What a constraint's or a preference's key means on a node; None for a key that SwarmKit does not know."""
    known = {
        "node.id": node.id,
        "node.hostname": node.hostname,
        "node.ip": node.address,
        "node.role": node.role,
        "node.platform.os": "linux",
        "node.platform.arch": "x86_64",
    }
    lower = key.lower()
    if lower in known:
        return known[lower]
    if lower.startswith("node.labels."):
        labels: dict[str, str] = node.spec.get("Labels") or {}
        return labels.get(key[len("node.labels.") :], "")
    return "" if lower.startswith("engine.labels.") else None


def constraints_of(template: Json) -> list[Constraint]:
    """The parsed constraints of a task template that was accepted before."""
    return parse_constraints((template.get("Placement") or {}).get("Constraints") or ())
