"""What Swarm would make of a service's spec: which tasks restart, and where all of them would run. Pure.

Rules: swarmkit manager/orchestrator/{replicated,global,jobs,update,task}. It is what holds while nothing else happens:
tasks of others that wait for a node are left out, and so is what fails.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from funswarm.messages import Placement, Preview
from funswarm.spec import REPLICAS_MAX
from services.scheduler.constraints import constraints_of, meets
from services.scheduler.facts import NodeFacts, Port, TaskFacts
from services.scheduler.placement import Candidate, Demand, Filter, demand_of, filters_for, spread, suited
from services.scheduler.raw_service import Json, mode, replaces_all, replicas
from services.scheduler.waves import wave

NODES_MAX: Final = 1000  # in a result, which NATS must take
SERVICES_MAX: Final = 100
WAVE_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Swarm:
    """What is known of it. `ports`: by service, of those whose tasks take ports of their nodes."""

    nodes: tuple[NodeFacts, ...]
    tasks: tuple[TaskFacts, ...]
    ports: Mapping[str, frozenset[Port]]


def foresee(before: Json | None, after: Json, service_id: str | None, swarm: Swarm, *, runs: bool) -> Preview:
    """What writing the spec `after` over `before` would do; `before` None: the service is new.

    `runs`: there is a write at all, which runs a job again.
    """
    scene = _Scene(before, after, service_id, swarm)
    reasons: Iterable[str | None] = ()
    match mode(after):
        case "replicated":
            reasons = [scene.replicated()]
        case "global":
            reasons = scene.one_on_each(job=False)
        case "replicated-job" if runs:
            reasons = [scene.job()]
        case "global-job" if runs:
            reasons = scene.one_on_each(job=True)
    distinct = tuple(dict.fromkeys(reason for reason in reasons if reason is not None))
    return Preview(
        restarts_tasks=runs and before is not None and (mode(after).endswith("job") or scene.restarts),
        fits=not distinct,
        placements=scene.placements(scene.before),
        reasons=distinct,
    )


def foresee_drain(node_id: str, specs: Mapping[str, Json], swarm: Swarm) -> Preview:
    """What becomes of the tasks of a node that `swarm` shows as drained already; `specs`: by service."""
    moved = sorted({task.service_id for task in swarm.tasks if task.node_id == node_id} & specs.keys())
    reasons = []
    for service_id in moved:
        spec = specs[service_id]
        scene = _Scene(spec, spec, service_id, swarm)
        reason = scene.replicated() if mode(spec) == "replicated" else None  # of a global service they just stop
        if reason is not None:
            reasons.append(f"{spec['Name']}: {reason}")
        others = tuple(task for task in swarm.tasks if task.service_id != service_id)
        swarm = replace(swarm, tasks=others + scene.tasks())
    return Preview(restarts_tasks=bool(moved), fits=not reasons, reasons=tuple(reasons[:SERVICES_MAX]))


def foresee_rebalance(spec: Json, service_id: str, swarm: Swarm) -> Preview:
    """Where a service's tasks would run once surges have evened them out; see `services.scheduler.waves`."""
    moved, first = 0, _Scene(spec, spec, service_id, swarm)
    while True:
        scene = _Scene(spec, spec, service_id, swarm)
        count = scene.wave()
        if count == 0 or moved > REPLICAS_MAX:
            return Preview(restarts_tasks=False, fits=True, placements=scene.placements(first.before))
        moved += count
        for wanted in ((replicas(spec) or 0) + count, replicas(spec) or 0):
            scene = _Scene(spec, {**spec, "Mode": {"Replicated": {"Replicas": wanted}}}, service_id, swarm)
            scene.replicated()
            others = tuple(task for task in swarm.tasks if task.service_id != service_id)
            swarm = replace(swarm, tasks=others + scene.tasks())


class _Scene:
    """One service in the Swarm, while its tasks are moved. Each method says why not all have a node; None: all have."""

    def __init__(self, before: Json | None, after: Json, service_id: str | None, swarm: Swarm) -> None:
        self._after = after
        self._service_id = service_id or ""
        self._demand: Demand = demand_of(after)
        self._constraints = constraints_of(after.get("TaskTemplate") or {})
        self._old_ports = swarm.ports.get(service_id or "", frozenset())
        self._candidates = {node.id: Candidate(node) for node in swarm.nodes}
        self._own: dict[str, TaskFacts] = {}
        for task in swarm.tasks:
            candidate = self._candidates.get(task.node_id)
            if candidate is None:
                continue  # it waits for a node, or its node is no more: another one replaces it
            own = service_id is not None and task.service_id == service_id
            candidate.count(task.reserved, swarm.ports.get(task.service_id, ()), own=own)
            if own:
                self._own[task.id] = task
        self.before = {node_id: candidate.of_service for node_id, candidate in self._candidates.items()}
        self._dirty_all = replaces_all(before or after, after)
        self.restarts = self._dirty_all or any(map(self._is_dirty, self._own.values()))

    def replicated(self) -> str | None:
        self._remove_all([task for task in self._own.values() if self._node(task).gone])
        kept = in_order_of_keeping(self._own.values())
        wanted = replicas(self._after) or 0
        self._remove_all(kept[wanted:])
        left, reason = self._spread(wanted - len(kept))
        dirty = [task for task in kept[:wanted] if self._is_dirty(task)]
        return self._roll_out(dirty, left) if dirty else reason

    def _roll_out(self, tasks: Sequence[TaskFacts], left: int) -> str | None:
        """Slot by slot, as many as may at once; `left` others wait for a node meanwhile.

        A new task that has no node keeps the rest from their turn.
        """
        config = self._after.get("UpdateConfig") or {}
        size = config.get("Parallelism", 1) or len(tasks)
        replace_batch = self._start_first if config.get("Order") == "start-first" else self._stop_first
        for start in range(0, len(tasks), size):
            waiting, reason = replace_batch(tasks[start : start + size], left)
            if waiting > left:
                return reason
            left = waiting
        return self._spread(left)[1]

    def _stop_first(self, batch: Sequence[TaskFacts], left: int) -> tuple[int, str | None]:
        self._remove_all(batch)
        return self._spread(left + len(batch))

    def _start_first(self, batch: Sequence[TaskFacts], left: int) -> tuple[int, str | None]:
        """Each new task that has a node makes the old one's place free, for those that still wait."""
        old, waiting = [*batch], left + len(batch)
        while True:
            still, reason = self._spread(waiting)
            placed = waiting - still
            self._remove_all(old[:placed])
            old, waiting = old[placed:], still
            if not placed or not waiting:
                return waiting, reason

    def one_on_each(self, *, job: bool) -> list[str | None]:
        """A task on each node that meets the constraints; a paused node keeps what it has, unless for a job."""
        if job:
            self._remove_all([*self._own.values()])
        tasks = {task.node_id: [task] for task in self._own.values()}
        filters = filters_for(self._demand)
        return [self._one_on(one, tasks.get(node_id, []), filters) for node_id, one in self._candidates.items()]

    def _one_on(self, candidate: Candidate, old: list[TaskFacts], filters: Sequence[Filter]) -> str | None:
        node = candidate.node
        if node.gone or not meets(node, self._constraints):
            self._remove_all(old)
            return None
        if node.availability != "active" or (old and not self._is_dirty(old[0])):
            return None
        start_first = (self._after.get("UpdateConfig") or {}).get("Order") == "start-first"
        if not start_first:
            self._remove_all(old)
        suits, reason = suited([candidate], filters)
        if not suits:
            return reason
        candidate.count(self._demand.amounts, self._demand.ports, own=True)
        if start_first:
            self._remove_all(old)
        return None

    def job(self) -> str | None:
        """As many as may run at once; those of the run before are stopped."""
        self._remove_all([*self._own.values()])
        given = (self._after.get("Mode") or {}).get("ReplicatedJob") or {}
        at_once = given.get("MaxConcurrent", 1)
        return self._spread(min(at_once, given.get("TotalCompletions", at_once)))[1]

    def wave(self) -> int:
        """How many more, and then less again, is the next step to even numbers."""
        return wave([*self._candidates.values()], self._demand, WAVE_MAX)

    def placements(self, before: Mapping[str, int]) -> tuple[Placement, ...]:
        """By node's name, of those that have any, or had some before."""
        counts = [(one.node.name, one.of_service, before[node_id]) for node_id, one in self._candidates.items()]
        some = sorted(row for row in counts if row[1] or row[2])[:NODES_MAX]
        return tuple(Placement(node=name, tasks=tasks, before=had) for name, tasks, had in some)

    def tasks(self) -> tuple[TaskFacts, ...]:
        """Those of the service where they now are, as far as they have a node."""
        amounts = self._demand.amounts
        return tuple(
            TaskFacts(f"{node_id}.{number}", self._service_id, 0, node_id, running=True, reserved=amounts)
            for node_id, candidate in self._candidates.items()
            for number in range(candidate.of_service)
        )

    def _spread(self, count: int) -> tuple[int, str | None]:
        return spread([*self._candidates.values()], self._demand, count)

    def _is_dirty(self, task: TaskFacts) -> bool:
        return self._dirty_all or task.is_behind or not meets(self._node(task), self._constraints)

    def _node(self, task: TaskFacts) -> NodeFacts:
        return self._candidates[task.node_id].node

    def _remove(self, task: TaskFacts) -> None:
        del self._own[task.id]
        self._candidates[task.node_id].count(task.reserved, self._old_ports, own=True, sign=-1)

    def _remove_all(self, tasks: Iterable[TaskFacts]) -> None:
        for task in tasks:
            self._remove(task)


def in_order_of_keeping(tasks: Iterable[TaskFacts]) -> list[TaskFacts]:
    """Those that a scale-down gives up first at the end: those that do not run, then the highest copy on a node.

    swarmkit manager/orchestrator/replicated/slot.go.
    """
    ordered = sorted(tasks, key=lambda task: (not task.running, task.slot))
    copies: Counter[str] = Counter()
    ranks = {}
    for task in ordered:
        copies[task.node_id] += 1
        ranks[task.id] = copies[task.node_id]
    return sorted(ordered, key=lambda task: ranks[task.id])
