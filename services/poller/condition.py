"""How a service does, from its state and its tasks': the one place that judges it. Pure.

Swarm tells a rollout's state, but neither convergence nor why it does not come; both are read from the tasks here, with
Swarm's own texts as reasons.

A condition moves to `progressing` only together with the service's version: in between it stays what it was until it
converges, stalls or degrades. And a version that moves without a rollout's state is `progressing` once: Swarm clears
that state with each write and begins to act only a moment later, while the tasks of before still run.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from funswarm.state import Condition, ConditionStatus, NodeState, ServiceState, TaskState
from services.poller.slots import Counts, Slot, counts, slots_of

CRASHES: Final = 3  # so many failures in a row are a crash loop

_CRASHED: Final = frozenset({"failed", "rejected"})
_UPDATING: Final = frozenset({"updating", "rollback_started"})
_PAUSED: Final = frozenset({"paused", "rollback_paused"})
_GOOD: Final = frozenset({ConditionStatus.CONVERGED, ConditionStatus.ROLLED_BACK})
_COUNTS: Final = re.compile(r"\d+ of \d+ tasks of \S+")


def condition(
    service: ServiceState, tasks: Iterable[TaskState], nodes: Mapping[str, NodeState], previous: ServiceState | None
) -> Condition:
    """The condition of `service`; `tasks` are all of its tasks, `nodes` all nodes by id.

    previous: the service as it was known before, with its condition; None when first seen.
    """
    slots = slots_of(service, tasks, nodes)
    counted = counts(service, slots)
    moved = previous is None or previous.version != service.version
    old = Condition() if previous is None or moved else previous.condition
    rollout = service.update_status.state if service.update_status else None
    if service.update_status and rollout in _PAUSED:
        return _stalled([service.update_status.message or service.update_status.state], old)
    if rollout in _UPDATING:
        return _stalled(_unplaced(slots), old)
    if counted.done >= counted.desired:
        return _settled(service, previous, counted, old)
    if in_the_way := _unplaced(slots) + _crashing(slots) + _given_up(service, slots, old):
        return _stalled(in_the_way, old)
    if old.status in _GOOD and (loss := _loss(service, slots, nodes, counted)):
        return Condition(status=ConditionStatus.DEGRADED, reason=loss)
    return old


def _settled(service: ServiceState, previous: ServiceState | None, counted: Counts, old: Condition) -> Condition:
    """All that is desired is done: converged, unless Swarm has yet to act on what was written last."""
    if counted.wanted > counted.desired:
        return old  # scaled down, and the surplus is still there
    moved = previous is not None and previous.version != service.version
    unborn = previous is None and service.mode.startswith("global") and not counted.wanted
    if unborn or (moved and service.update_status is None and counted.desired):
        return Condition()
    if service.update_status and service.update_status.state == "rollback_completed":
        return Condition(status=ConditionStatus.ROLLED_BACK, reason=service.update_status.message or None)
    return Condition(status=ConditionStatus.CONVERGED)


def _stalled(reasons: Sequence[str], old: Condition) -> Condition:
    """Stalled for the first of the reasons, or still for the old one: which slot it hits and how often is no news."""
    if not reasons or (old.status is ConditionStatus.STALLED and _gist(old.reason) in map(_gist, reasons)):
        return old
    return Condition(status=ConditionStatus.STALLED, reason=reasons[0])


def _gist(reason: str | None) -> str:
    return _COUNTS.sub("", reason or "")


def _unplaced(slots: Iterable[Slot]) -> list[str]:
    """Why wanted tasks find no node. (A task that is yet to be wanted waits for its predecessor's ports.)"""
    newest = [slot.newest for slot in slots]
    waiting = [task for task in newest if task.state == "pending" and task.desired_state in ("running", "complete")]
    return [task.error for task in waiting if task.error]


def _crashing(slots: Iterable[Slot]) -> list[str]:
    """Tasks that were rejected, or crashed several times in a row, and are tried again in vain."""
    reasons = []
    for slot in slots:
        crashed = slot.crashed
        if crashed and crashed[0].state == "rejected" and crashed[0].error:
            reasons.append(crashed[0].error)
        elif len(crashed) >= CRASHES:
            of = f"{len(crashed)} of {len(slot.tasks)} tasks of {crashed[0].name}"
            reasons.append(f"crash loop: {of} failed: {crashed[0].error or crashed[0].message}")
    return reasons


def _given_up(service: ServiceState, slots: Iterable[Slot], old: Condition) -> list[str]:
    """Tasks that failed and that the restart policy lets fail."""
    policy = (service.spec.get("TaskTemplate") or {}).get("RestartPolicy") or {}
    final = policy.get("Condition") == "none" or policy.get("MaxAttempts")
    if not final or old.status in _GOOD:
        return []
    failed = [slot.newest for slot in slots if slot.newest.state in _CRASHED]
    return [f"{task.name} failed and is not restarted: {task.error or task.message}" for task in failed]


def _loss(service: ServiceState, slots: Iterable[Slot], nodes: Mapping[str, NodeState], counted: Counts) -> str | None:
    """What a converged service lost; None where nothing was lost: a new node is about to get its first task."""
    if service.mode.endswith("job"):
        return None  # a completed job stays so, though its tasks be forgotten
    lacking = [slot for slot in slots if not slot.runs]
    if service.mode == "global" and all(slot.is_fresh for slot in lacking):
        return None
    for slot in slots:
        for task in slot.tasks:
            node = nodes.get(task.node_id or "")
            if node is not None and node.state == "down" and task.state == "running":
                return f"node {node.name} is down"
    crashed = [slot.crashed[0] for slot in lacking if slot.crashed and slot.crashed[0].error]
    if crashed:
        return max(crashed, key=lambda task: task.timestamp).error
    return f"{counted.done} of {counted.desired} tasks run"
