"""Placement constraints, as `node.labels.disk == ssd`, and which nodes meet them. Pure.

Rules: swarmkit manager/constraint/constraint.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from services.scheduler.facts import NodeFacts

NODE_LABEL: Final = "node.labels."
ENGINE_LABEL: Final = "engine.labels."


@dataclass(frozen=True, slots=True)
class Constraint:
    """`key == value`, or `!=` where `equal` is false."""

    key: str
    equal: bool
    value: str


def constraints_of(template: dict[str, object]) -> tuple[Constraint, ...]:
    """Those of a task template; one that Swarm would not take is met by no node."""
    placement = template.get("Placement")
    texts = placement.get("Constraints") if isinstance(placement, dict) else None
    return tuple(_parsed(text) for text in texts or ())


def _parsed(text: str) -> Constraint:
    for operator in ("==", "!="):
        key, found, value = text.partition(operator)
        if found:
            return Constraint(key.strip(), operator == "==", value.strip())
    return Constraint(text, equal=True, value="")


def meets(node: NodeFacts, constraints: Iterable[Constraint]) -> bool:
    """Whether the node meets all of them."""
    return all(_met(node, constraint) for constraint in constraints)


def _met(node: NodeFacts, constraint: Constraint) -> bool:
    if constraint.key.lower() == "node.ip":
        return _met_by_address(node.values["node.ip"], constraint)
    actual = value_of(node, constraint.key)
    return actual is not None and (actual.lower() == constraint.value.lower()) == constraint.equal


def value_of(node: NodeFacts, key: str) -> str | None:
    """What a key means on a node; None for one that Swarm does not know. A label that is not there is empty."""
    lower = key.lower()
    if lower.startswith(NODE_LABEL):
        return node.labels.get(key[len(NODE_LABEL) :], "")
    if lower.startswith(ENGINE_LABEL):
        return node.engine_labels.get(key[len(ENGINE_LABEL) :], "")
    return node.values.get(lower)


def _met_by_address(address: str, constraint: Constraint) -> bool:
    """An address, or a subnet in CIDR form; what is neither is met by no node."""
    try:
        wanted = ip_network(constraint.value, strict=False)
        return (bool(address) and ip_address(address) in wanted) == constraint.equal
    except ValueError:
        return False
