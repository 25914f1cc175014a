"""Which nodes would get the tasks of a service: the filters and the spread of Swarm's own scheduler. Pure.

Rules and texts: swarmkit manager/scheduler/{filter,pipeline,scheduler}.go. Not foreseen: volumes of the cluster (CSI),
and that Swarm puts nodes last on which the service's tasks failed lately.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.scheduler.constraints import ENGINE_LABEL, NODE_LABEL, Constraint, constraints_of, meets, value_of
from services.scheduler.facts import Amounts, NodeFacts, Port, host_ports, reserved
from services.scheduler.raw_service import Json

_SAME_ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task of a service asks of its node. `max_replicas` 0: no bound; `spread_over`: labels of nodes."""

    amounts: Amounts
    constraints: tuple[Constraint, ...]
    platforms: tuple[tuple[str, str], ...]
    ports: frozenset[Port]
    max_replicas: int
    spread_over: tuple[str, ...]
    volume_drivers: frozenset[str]
    log_driver: str


def demand_of(spec: Json) -> Demand:
    """What the tasks of a service's spec ask of their nodes."""
    template: Json = spec.get("TaskTemplate") or {}
    placement = template.get("Placement") or {}
    spreads = [(one.get("Spread") or {}).get("SpreadDescriptor") or "" for one in placement.get("Preferences") or ()]
    log_driver = (template.get("LogDriver") or {}).get("Name") or ""
    return Demand(
        amounts=reserved(template),
        constraints=constraints_of(template),
        platforms=tuple((_architecture(one), one.get("OS") or "") for one in placement.get("Platforms") or ()),
        ports=host_ports(spec),
        max_replicas=placement.get("MaxReplicas") or 0,
        spread_over=tuple(text for text in spreads if text.lower().startswith((NODE_LABEL, ENGINE_LABEL))),
        volume_drivers=frozenset(_volume_drivers(template.get("ContainerSpec") or {})),
        log_driver="" if log_driver == "none" else log_driver,
    )


def _architecture(platform: Json) -> str:
    name = platform.get("Architecture") or ""
    return _SAME_ARCHITECTURE.get(name, name)


def _volume_drivers(container: Json) -> Iterable[str]:
    for mount in container.get("Mounts") or ():
        driver = ((mount.get("VolumeOptions") or {}).get("DriverConfig") or {}).get("Name")
        if mount.get("Type") == "volume" and driver and driver != "local":
            yield driver


@dataclass(slots=True)
class Candidate:
    """A node, counted up as tasks are placed there. `of_service`, `total`: tasks; the rest: what they use."""

    node: NodeFacts
    of_service: int = 0
    total: int = 0
    cpu_nano: int = 0
    memory_bytes: int = 0
    generic: Counter[str] = field(default_factory=Counter)
    ports: Counter[Port] = field(default_factory=Counter)

    def count(self, amounts: Amounts, ports: Iterable[Port], *, own: bool, sign: int = 1) -> None:
        """One task more, or with `sign` -1 less. `own`: of the service that is looked at."""
        self.of_service += sign if own else 0
        self.total += sign
        self.cpu_nano += sign * amounts.cpu_nano
        self.memory_bytes += sign * amounts.memory_bytes
        for kind, count in amounts.generic.items():
            self.generic[kind] += sign * count
        for port in ports:
            self.ports[port] += sign

    @property
    def load(self) -> tuple[int, int]:
        """What candidates are ordered by: tasks of the service, then all tasks."""
        return self.of_service, self.total


Filter = tuple[str, Callable[[Candidate], bool]]


def filters_for(demand: Demand) -> list[Filter]:
    """What a node must pass to get a task, each with Swarm's words for those that fail it (`%s`: so many nodes)."""
    filters: list[Filter] = [("%s not available for new tasks", lambda one: one.node.available)]
    if demand.amounts:
        filters.append(("insufficient resources on %s", lambda one: _has_room(one, demand.amounts)))
    if demand.volume_drivers or demand.log_driver:
        filters.append(("missing plugin on %s", lambda one: _has_plugins(one.node, demand)))
    if demand.constraints:
        words = "scheduling constraints not satisfied on %s"
        filters.append((words, lambda one: meets(one.node, demand.constraints)))
    if demand.platforms:
        filters.append(("unsupported platform on %s", lambda one: _is_platform(one.node, demand.platforms)))
    if demand.ports:
        filters.append(("host-mode port already in use on %s", lambda one: not any(map(one.ports.get, demand.ports))))
    if demand.max_replicas:
        filters.append(("max replicas per node limit exceed", lambda one: one.of_service < demand.max_replicas))
    return filters


def _has_room(one: Candidate, asked: Amounts) -> bool:
    room = one.node.room
    return (
        one.cpu_nano + asked.cpu_nano <= room.cpu_nano
        and one.memory_bytes + asked.memory_bytes <= room.memory_bytes
        and all(one.generic[kind] + count <= room.generic.get(kind, 0) for kind, count in asked.generic.items())
    )


def _has_plugins(node: NodeFacts, demand: Demand) -> bool:
    if node.plugins is None:
        return True
    known = {(kind, name.removesuffix(":latest")) for kind, name in node.plugins}
    logs = any(kind == "Log" for kind, _ in known)  # old engines do not tell theirs
    if demand.log_driver and logs and ("Log", demand.log_driver.removesuffix(":latest")) not in known:
        return False
    return all(("Volume", name.removesuffix(":latest")) in known for name in demand.volume_drivers)


def _is_platform(node: NodeFacts, platforms: Iterable[tuple[str, str]]) -> bool:
    has = node.values["node.platform.arch"]
    architecture, system = _SAME_ARCHITECTURE.get(has, has), node.values["node.platform.os"]
    return any(asked in ("", architecture) and os in ("", system) for asked, os in platforms)


def suited(candidates: Iterable[Candidate], filters: Sequence[Filter]) -> tuple[list[Candidate], str]:
    """The candidates that pass all filters; and Swarm's text for why the others do not."""
    failures = [0] * len(filters)
    passed = []
    for candidate in candidates:
        failed = next((number for number, (_, passes) in enumerate(filters) if not passes(candidate)), None)
        if failed is None:
            passed.append(candidate)
        else:
            failures[failed] += 1
    return passed, _explained([text for text, _ in filters], failures)


def _explained(texts: Sequence[str], failures: Sequence[int]) -> str:
    """The most frequent reason first (scheduler/pipeline.go Explain)."""
    ordered = sorted(zip(failures, texts, strict=True), key=lambda pair: -pair[0])
    parts = [text.replace("%s", f"{count} node{'s' if count != 1 else ''}") for count, text in ordered if count]
    return f"no suitable node ({'; '.join(parts)})" if parts else "no suitable node"


def spread(candidates: Sequence[Candidate], demand: Demand, count: int) -> tuple[int, str | None]:
    """Place `count` tasks of one service; how many are left without a node, and why (None: none is).

    A branch of the spread preferences that is full leaves its share to the others.
    """
    filters, left = filters_for(demand), count
    while left > 0:
        nodes, reason = suited(candidates, filters)
        if not nodes:
            return left, reason
        for branch, share in _branches(nodes, demand.spread_over, left):
            left -= _fill(branch, filters, demand, share)
    return 0, None


def _fill(nodes: Sequence[Candidate], filters: Sequence[Filter], demand: Demand, count: int) -> int:
    """How many were placed. As scheduleNTasksOnNodes: each node in turn gets one until the next one has more, then all
    go to the one before the last up to the last one's number: a batch piles up, as it does in a real Swarm.
    """
    order = sorted(nodes, key=lambda candidate: candidate.load)
    at = 0
    for placed in range(count):
        tried = 0
        while not all(passes(order[at % len(order)]) for _, passes in filters):
            at, tried = at + 1, tried + 1
            if tried == len(order):
                return placed
        here = order[at % len(order)]
        here.count(demand.amounts, demand.ports, own=True)
        if at + 1 >= len(order) or order[at + 1].load < here.load:
            at += 1
    return count


def _branches(
    nodes: Sequence[Candidate], labels: Sequence[str], count: int
) -> Iterable[tuple[Sequence[Candidate], int]]:
    """The nodes by the values of their labels, with each branch's share of `count` tasks."""
    if not labels:
        return [(nodes, count)]
    groups: dict[str, list[Candidate]] = {}
    for candidate in nodes:
        groups.setdefault(value_of(candidate.node, labels[0]) or "", []).append(candidate)
    shares = _even_shares({key: sum(one.of_service for one in group) for key, group in groups.items()}, count)
    return [branch for key, group in groups.items() for branch in _branches(group, labels[1:], shares[key])]


def _even_shares(has: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` tasks each branch gets so that all have as equal numbers as can be."""
    shares = dict.fromkeys(has, 0)
    for _ in range(count):
        poorest = min(shares, key=lambda key: has[key] + shares[key])
        shares[poorest] += 1
    return shares
