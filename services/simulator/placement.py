"""Which nodes may take a task, and which take the tasks of one batch: SwarmKit's filters and its spread.

Pure. Rules: swarmkit manager/scheduler/{filter,pipeline,scheduler}.go.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.simulator.constraints import Constraint, constraints_of, node_value, satisfies
from services.simulator.model import Json, Node, Task

Port = tuple[str, int]
"""A protocol and a number."""
CAPACITY_FILTERS = ("insufficient resources", "max replicas", "host-mode port")
"""Reasons that go away when some task ends."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task asks of its node."""

    constraints: tuple[Constraint, ...]
    cpu_nano: int
    memory_bytes: int
    generic: bool
    """Whether it asks for generic resources: simulated nodes have none."""
    ports: frozenset[Port]
    """Host-mode ports, of which a node has one each."""
    max_replicas: int
    """Tasks of its service on one node; 0: no bound."""
    spread_over: tuple[str, ...]
    """The nodes' properties that the service is spread over, the most important one first."""

    @property
    def is_of_use(self) -> bool:
        """Whether what other tasks use matters to it."""
        return bool(self.cpu_nano or self.memory_bytes or self.ports)


def demand_of(task: Task) -> Demand:
    """What a task asks of its node, by its template."""
    placement = task.spec.get("Placement") or {}
    reserved = (task.spec.get("Resources") or {}).get("Reservations") or {}
    preferences = placement.get("Preferences") or ()
    return Demand(
        tuple(constraints_of(task.spec)),
        int(reserved.get("NanoCPUs", 0)),
        int(reserved.get("MemoryBytes", 0)),
        bool(reserved.get("GenericResources")),
        _host_ports(task.endpoint),
        int(placement.get("MaxReplicas", 0)),
        tuple(preference["Spread"]["SpreadDescriptor"] for preference in preferences if preference.get("Spread")),
    )


def _host_ports(endpoint: Json | None) -> frozenset[Port]:
    ports = (endpoint or {}).get("Ports") or ()
    return frozenset(
        (port["Protocol"], int(port["PublishedPort"]))
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    )


@dataclass(slots=True)
class Candidate:
    """A node as one batch sees it: counted up while the batch is placed."""

    node: Node
    of_service: int
    total: int
    cpu_nano: int = 0
    memory_bytes: int = 0
    ports: set[Port] = field(default_factory=set)

    def use(self, demand: Demand) -> None:
        """Count what a task there uses."""
        self.cpu_nano += demand.cpu_nano
        self.memory_bytes += demand.memory_bytes
        self.ports |= demand.ports

    def take(self, demand: Demand) -> None:
        """Count one more task of the service."""
        self.of_service += 1
        self.total += 1
        self.use(demand)

    @property
    def load(self) -> tuple[int, int]:
        """What candidates are ordered by: tasks of the service, then all tasks."""
        return self.of_service, self.total


Filter = tuple[str, Callable[[Candidate], bool]]


def filters_for(demand: Demand) -> list[Filter]:
    """What a node must pass to get a task, each with SwarmKit's words for those that fail it (`%s`: so many nodes)."""
    filters: list[Filter] = [
        ("%s not available for new tasks", lambda c: c.node.state == "ready" and c.node.availability == "active")
    ]
    if demand.cpu_nano or demand.memory_bytes or demand.generic:
        filters.append(("insufficient resources on %s", lambda c: _has_room(c, demand)))
    if demand.constraints:
        words = "scheduling constraints not satisfied on %s"
        filters.append((words, lambda c: satisfies(c.node, demand.constraints)))
    if demand.ports:
        filters.append(("host-mode port already in use on %s", lambda c: not demand.ports & c.ports))
    if demand.max_replicas:
        filters.append(("max replicas per node limit exceed", lambda c: c.of_service < demand.max_replicas))
    return filters


def _has_room(candidate: Candidate, demand: Demand) -> bool:
    node = candidate.node
    fits_cpu = candidate.cpu_nano + demand.cpu_nano <= node.cpu_nano
    return not demand.generic and fits_cpu and candidate.memory_bytes + demand.memory_bytes <= node.memory_bytes


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


def spread(candidates: Sequence[Candidate], demand: Demand, count: int) -> tuple[list[Candidate], str]:
    """The node for each of up to `count` tasks of one service, and why the others got none.

    As scheduleNTasksOnNodes: a batch gives each node in turn one task until the next one has more, then stays where it
    is; so a batch piles up on the next-to-last node, which real Swarms do too.
    """
    filters = filters_for(demand)
    chosen: list[Candidate] = []
    while len(chosen) < count:  # a branch that is full leaves its share to the others
        nodes, problem = eligible(candidates, filters)
        if problem:
            return chosen, problem
        for branch, share in _branches(nodes, demand.spread_over, count - len(chosen)):
            chosen += _fill(branch, filters, demand, share)
    return chosen, ""


def _fill(nodes: Sequence[Candidate], filters: Sequence[Filter], demand: Demand, count: int) -> list[Candidate]:
    order = sorted(nodes, key=lambda candidate: candidate.load)
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
        here.take(demand)
        chosen.append(here)
        if at + 1 >= len(order) or order[at + 1].load < here.load:
            at += 1
    return chosen


def _branches(
    nodes: Sequence[Candidate], labels: Sequence[str], count: int
) -> Iterable[tuple[Sequence[Candidate], int]]:
    """The nodes by the values of the spread preferences, with each branch's share of `count` tasks."""
    if not labels:
        return [(nodes, count)]
    groups: dict[str, list[Candidate]] = {}
    for candidate in nodes:
        groups.setdefault(node_value(candidate.node, labels[0]) or "", []).append(candidate)
    shares = _even_shares({key: sum(node.of_service for node in group) for key, group in groups.items()}, count)
    return [branch for key, group in groups.items() for branch in _branches(group, labels[1:], shares[key])]


def _even_shares(has: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` tasks each branch gets so that all have as equal numbers as can be."""
    shares = dict.fromkeys(has, 0)
    for _ in range(count):
        poorest = min(shares, key=lambda key: has[key] + shares[key])
        shares[poorest] += 1
    return shares
