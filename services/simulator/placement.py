"""Which nodes may take a task, and which take the tasks of one batch: SwarmKit's constraints, filters and spread.

Pure. Rules: swarmkit manager/constraint/constraint.go, manager/scheduler/{filter,pipeline,scheduler}.go.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.simulator.model import Json, Node, unknown

_KEY = re.compile(r"^(?i:[a-z_][a-z0-9\-_.]+)$")
_VALUE = re.compile(r"^(?i:[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+)$")
CAPACITY_FILTERS = ("insufficient resources", "max replicas", "host-mode port")
"""Reasons that go away when some task ends."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """`key == value`, or `!=` where `equal` is false."""

    key: str
    equal: bool
    value: str


@dataclass(slots=True)
class Candidate:
    """A node as one batch sees it: counted up while the batch is placed."""

    node: Node
    of_service: int
    total: int
    cpu_nano: int = 0
    memory_bytes: int = 0
    ports: set[tuple[str, int]] = field(default_factory=set)
    """Host-mode ports in use there."""


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
    actual = _node_value(node, constraint.key)
    return actual is not None and (actual.lower() == constraint.value.lower()) == constraint.equal


def _node_value(node: Node, key: str) -> str | None:
    """What a constraint's key means on a node; None for a key that SwarmKit does not know."""
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


def reservation_of(template: Json) -> tuple[int, int]:
    """What a task reserves: CPU in nano CPUs, memory in bytes."""
    reserved = (template.get("Resources") or {}).get("Reservations") or {}
    return int(reserved.get("NanoCPUs", 0)), int(reserved.get("MemoryBytes", 0))


def host_ports(endpoint: Json | None) -> set[tuple[str, int]]:
    """The ports that a task takes on its node, with their protocols."""
    ports = (endpoint or {}).get("Ports") or ()
    return {
        (port.get("Protocol", "tcp"), int(port["PublishedPort"]))
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    }


Filter = tuple[str, Callable[[Candidate], bool]]


def filters_for(template: Json, endpoint: Json | None) -> list[Filter]:
    """What a node must pass to get a task, each with SwarmKit's words for those that fail it (`%s` their number)."""
    constraints = constraints_of(template)
    cpu_nano, memory_bytes = reservation_of(template)
    most = int((template.get("Placement") or {}).get("MaxReplicas", 0))
    ports = host_ports(endpoint)
    filters: list[Filter] = [
        ("%s not available for new tasks", lambda c: c.node.state == "ready" and c.node.availability == "active")
    ]
    if cpu_nano or memory_bytes:
        filters.append(
            (
                "insufficient resources on %s",
                lambda c: (
                    c.cpu_nano + cpu_nano <= c.node.cpu_nano and c.memory_bytes + memory_bytes <= c.node.memory_bytes
                ),
            )
        )
    if constraints:
        filters.append(("scheduling constraints not satisfied on %s", lambda c: satisfies(c.node, constraints)))
    if ports:
        filters.append(("host-mode port already in use on %s", lambda c: not ports & c.ports))
    if most:
        filters.append(("max replicas per node limit exceed", lambda c: c.of_service < most))
    return filters


def eligible(candidates: Sequence[Candidate], filters: Sequence[Filter]) -> tuple[list[Candidate], str]:
    """The candidates that pass all filters; and, where none does, why (`no suitable node (…)`)."""
    failures = [0] * len(filters)
    passed = []
    for candidate in candidates:
        for number, (_, passes) in enumerate(filters):
            if not passes(candidate):
                failures[number] += 1
                break
        else:
            passed.append(candidate)
    return passed, "" if passed else explain([text for text, _ in filters], failures)


def explain(texts: Sequence[str], failures: Sequence[int]) -> str:
    """Why no node suits, the most frequent reason first (scheduler/pipeline.go Explain)."""
    ordered = sorted(zip(failures, texts, strict=True), key=lambda pair: -pair[0])
    parts = [text.replace("%s", f"{count} node{'s' if count != 1 else ''}") for count, text in ordered if count]
    return f"no suitable node ({'; '.join(parts)})" if parts else "no suitable node"


def spread(
    candidates: Sequence[Candidate], filters: Sequence[Filter], template: Json, count: int
) -> tuple[list[Candidate], str]:
    """The node for each of up to `count` tasks of one service, and why the others got none.

    As scheduleNTasksOnNodes: a batch gives each node in turn one task until the next one has more, then stays where it
    is; so a batch piles up on the next-to-last node, which real Swarms do too.
    """
    nodes, problem = eligible(candidates, filters)
    if problem:
        return [], problem
    reserved = reservation_of(template)
    chosen: list[Candidate] = []
    for branch, share in _branches(nodes, _spread_labels(template), count):
        chosen += _fill(branch, filters, reserved, share)
    if len(chosen) < count:
        problem = eligible(candidates, filters)[1]
    return chosen, problem


def _load(candidate: Candidate) -> tuple[int, int]:
    return candidate.of_service, candidate.total


def _fill(
    nodes: Sequence[Candidate], filters: Sequence[Filter], reserved: tuple[int, int], count: int
) -> list[Candidate]:
    order = sorted(nodes, key=_load)
    chosen: list[Candidate] = []
    at = 0
    while len(chosen) < count:
        tried = 0
        while not all(passes(order[at % len(order)]) for _, passes in filters):
            at += 1
            tried += 1
            if tried == len(order):
                return chosen
        here = order[at % len(order)]
        here.of_service += 1
        here.total += 1
        here.cpu_nano += reserved[0]
        here.memory_bytes += reserved[1]
        chosen.append(here)
        first_pass = at + 1 < len(order)
        if not first_pass or _load(order[at + 1]) < _load(here):
            at += 1
    return chosen


def _spread_labels(template: Json) -> list[str]:
    preferences = (template.get("Placement") or {}).get("Preferences") or ()
    return [preference["Spread"]["SpreadDescriptor"] for preference in preferences if preference.get("Spread")]


def _branches(
    nodes: Sequence[Candidate], labels: Sequence[str], count: int
) -> Iterable[tuple[Sequence[Candidate], int]]:
    """The nodes by the values of the spread preferences, with each branch's share of `count` tasks."""
    if not labels:
        return [(nodes, count)]
    groups: dict[str, list[Candidate]] = {}
    for candidate in nodes:
        groups.setdefault(_node_value(candidate.node, labels[0]) or "", []).append(candidate)
    shares = _even_shares({key: sum(node.of_service for node in group) for key, group in groups.items()}, count)
    return [branch for key, group in groups.items() for branch in _branches(group, labels[1:], shares[key])]


def _even_shares(has: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` tasks each branch gets so that all have as equal numbers as can be."""
    shares = dict.fromkeys(has, 0)
    for _ in range(count):
        poorest = min(shares, key=lambda key: has[key] + shares[key])
        shares[poorest] += 1
    return shares
