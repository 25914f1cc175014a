"""A service's tasks by slot (global: by node), and how many are done of how many desired. Pure.

Swarm keeps the last tasks of each slot (5 by default), which is a slot's history.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from funswarm.state import ENDED_STATES, NodeState, ServiceState, TaskState

_CRASHED: Final = frozenset({"failed", "rejected"})


@dataclass(frozen=True, slots=True)
class Counts:
    """`done` of `desired` tasks run or, for a job, are complete; `wanted`: those that Swarm has made to run."""

    desired: int
    done: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Slot:
    """The tasks of one slot, newest first; at least one."""

    tasks: tuple[TaskState, ...]

    @property
    def newest(self) -> TaskState:
        return self.tasks[0]

    @property
    def runs(self) -> bool:
        return any(task.state == "running" and task.desired_state == "running" for task in self.tasks)

    @property
    def is_fresh(self) -> bool:
        """It waits for the first task that it ever had."""
        return len(self.tasks) == 1 and self.newest.state not in ENDED_STATES

    @property
    def crashed(self) -> list[TaskState]:
        """The failures since a task of the slot last ran or ended well, newest first; attempts under way are no end."""
        crashed = []
        for task in self.tasks:
            if task.state in _CRASHED:
                crashed.append(task)
            elif task.state in ENDED_STATES or task.state == "running":
                break
        return crashed


def slots_of(service: ServiceState, tasks: Iterable[TaskState], nodes: Mapping[str, NodeState]) -> list[Slot]:
    """The slots of the service in order: of a job those of this iteration, of a global one those on active nodes."""
    job, everywhere = service.mode.endswith("job"), service.mode.startswith("global")
    by_slot: dict[tuple[int, str], list[TaskState]] = {}
    for task in tasks:
        if job and (task.job_iteration or 0) != (service.job_iteration or 0):
            continue
        if everywhere and not _takes_tasks(nodes.get(task.node_id or "")):
            continue
        by_slot.setdefault((task.slot or 0, "" if task.slot else task.node_id or ""), []).append(task)
    return [
        Slot(tuple(sorted(held, key=lambda task: (_sortable(task.created_at), task.version), reverse=True)))
        for _, held in sorted(by_slot.items())
    ]


def counts(service: ServiceState, slots: Sequence[Slot]) -> Counts:
    """How far the service is; tasks of an older image or forced update are not done."""
    if service.mode.endswith("job"):
        done = sum(any(task.state == "complete" for task in slot.tasks) for slot in slots)
        desired = len(slots) if service.mode == "global-job" else service.replicas or 0
        return Counts(desired, done, wanted=min(len(slots), desired))
    wanted = [task for slot in slots for task in slot.tasks if task.desired_state == "running"]
    ended_well = sum(slot.newest.state == "complete" for slot in slots) if _may_complete(service) else 0
    done = sum(task.state == "running" and _is_current(service, task) for task in wanted) + ended_well
    desired = len(wanted) + ended_well if service.mode == "global" else service.replicas or 0
    return Counts(desired, done, len(wanted))


def _takes_tasks(node: NodeState | None) -> bool:
    return node is None or (node.state == "ready" and node.availability == "active")


def _may_complete(service: ServiceState) -> bool:
    """Whether a task that ends well is not restarted."""
    policy = (service.spec.get("TaskTemplate") or {}).get("RestartPolicy") or {}
    return policy.get("Condition") in ("none", "on-failure")


def _is_current(service: ServiceState, task: TaskState) -> bool:
    template = service.spec.get("TaskTemplate")
    force_update = task.force_update if template is None else template.get("ForceUpdate") or 0
    return (task.image, task.force_update) == (service.image, force_update)


def _sortable(time: str) -> str:
    """RFC 3339 in UTC with as many fraction digits as there are: without the Z the texts sort as the times do."""
    return time.removesuffix("Z")
