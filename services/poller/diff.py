"""What happened between two states of an object, as events. Pure: the poller feeds states and publishes what comes out.

Two steps: first the facts as Swarm tells them, then what is derived: a service's condition; a node up, down, drained.
Folding the events onto `before` gives `after`; `before` of each is `after` of the one ahead of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from funswarm.commands import COMMAND_ID
from funswarm.messages import Change, Event
from funswarm.state import COMMAND_LABEL, AnyState, ConditionStatus, NodeState, ServiceState, TaskState

SETTLED_TASKS: Final = frozenset({"running", "complete", "failed", "rejected", "shutdown", "orphaned", "remove"})
"""A task first seen in one of these has passed what subscribers wait for: they are told as if they had been there."""

_BOOKKEEPING: Final = frozenset({"revision", "version", "updated_at"})  # every event has its own: no news in `changes`
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class EventContext:
    """Where and when it was observed; `observed_at` is the poller's clock, aware of its zone.

    first_revision: of a `created`: more than 0 where an object that was removed is back, at a version that was told of.
    gone: what is told where there is nothing any more: `removed`, or `unwatched` where only nobody looks any more.
    """

    cluster: str
    observed_at: datetime
    first_revision: int = 0
    gone: str = "removed"


def diff(before: AnyState | None, after: AnyState | None, context: EventContext) -> list[Event]:
    """The events from `before` to `after`; [] where only the revision differs.

    None is absence: `created` from it, `removed` (`context.gone`) to it. The revision of `after` is not looked at:
    events count on from `before`'s.

    Raises:
        ValueError: these are states of two objects.
    """
    if before is None:
        return [] if after is None else _first_seen(_revised(after, context.first_revision), context)
    if after is None:
        return [_removed(before, context)]
    if (before.kind, before.id) != (after.kind, after.id):
        raise ValueError(f"{before.kind} {before.id} cannot become {after.kind} {after.id}")
    events = []
    for action, state in _steps(before, after):
        step = _revised(state, before.revision + 1)
        events.append(_event(action, before, step, context))
        before = step
    return events


def _first_seen(state: AnyState, context: EventContext) -> list[Event]:
    """`created`, then the events that somebody who was there has missed."""
    missed: list[str] = []
    if isinstance(state, TaskState) and state.state in SETTLED_TASKS:
        missed.append(state.state)
    if isinstance(state, NodeState):
        missed += (["down"] if state.state == "down" else []) + (["drained"] if state.drained else [])
    events = [_event("created", None, state, context)]
    for action in missed:
        events.append(_event(action, state, _revised(state, state.revision + 1), context))
        state = _revised(state, state.revision + 1)
    return events


def _steps(before: AnyState, after: AnyState) -> Iterator[tuple[str, AnyState]]:
    """Action and state of each step from `before` to `after`; their revisions are the caller's."""
    facts = after
    derived: list[tuple[str, dict[str, Any]]] = []
    if isinstance(before, ServiceState) and isinstance(after, ServiceState):
        if after.condition != before.condition and after.condition.status is not ConditionStatus.PROGRESSING:
            derived.append((after.condition.status.value, {"condition": after.condition}))
            facts = after.model_copy(update={"condition": before.condition})
    elif isinstance(before, NodeState) and isinstance(after, NodeState):
        if after.state != before.state and after.state in ("ready", "down"):
            derived.append((after.state, {"state": after.state}))
            facts = facts.model_copy(update={"state": before.state})
        if after.drained and not before.drained:
            derived.append(("drained", {"drained": True}))
            facts = facts.model_copy(update={"drained": False})
    if facts.__dict__ | {"revision": before.revision} != before.__dict__:
        moved = isinstance(before, TaskState) and isinstance(after, TaskState) and after.state != before.state
        yield (after.state if moved and isinstance(after, TaskState) else "updated"), facts
    for action, fields in derived:
        facts = facts.model_copy(update=fields)
        yield action, facts


def _revised(state: AnyState, revision: int) -> AnyState:
    return state if state.revision == revision else state.model_copy(update={"revision": revision})


def _removed(before: AnyState, context: EventContext) -> Event:
    return Event(
        id=f"{before.kind}/{before.id}@{context.gone}.{before.revision + 1}",
        time=_text(context.observed_at),  # Swarm keeps no time of a removal
        observed_at=context.observed_at,
        cluster=context.cluster,
        kind=before.kind,
        action=context.gone,
        name=before.name,
        object_id=before.id,
        version=before.version,
        before=before,
        after=None,
    )


def _event(action: str, before: AnyState | None, after: AnyState, context: EventContext) -> Event:
    moved = after.version > before.version if before else after.revision == 0
    return Event(
        id=f"{after.kind}/{after.id}@{after.version}" + ("" if moved else f"/{action}.{after.revision}"),
        time=_time(before, after) or _text(context.observed_at),
        observed_at=context.observed_at,
        cluster=context.cluster,
        kind=after.kind,
        action=action,
        name=after.name,
        object_id=after.id,
        version=after.version,
        before=before,
        after=after,
        changes=() if before is None else changes(before, after),
        command=_command(before, after),
    )


def _time(before: AnyState | None, after: AnyState) -> str:
    """Swarm's time of the event; empty where Swarm has none, as for a service's condition."""
    if before is None:
        return after.created_at
    if isinstance(after, TaskState):
        return after.timestamp if isinstance(before, TaskState) and _task_moved(before, after) else after.updated_at
    if isinstance(after, NodeState) or after.version > before.version:
        return after.updated_at
    return ""


def _task_moved(before: TaskState, after: TaskState) -> bool:
    return after.state != before.state or after.version == before.version  # or told after the fact


def _command(before: AnyState | None, after: AnyState) -> str | None:
    """The command that wrote this spec: its label came with this event. A label that merely stays may be outdated.

    None where Swarm went back to an older spec: that one's label comes back with it. None too for a label that is no
    command's id: anyone can set it, of any length.
    """
    if not isinstance(after, ServiceState) or went_back(after):
        return None
    label = after.labels.get(COMMAND_LABEL)
    old = before.labels.get(COMMAND_LABEL) if isinstance(before, ServiceState) else None
    return label if label != old and COMMAND_ID.fullmatch(label or "") else None


def went_back(service: ServiceState) -> bool:
    """Whether the service's spec is what Swarm rolled back to: the next write clears its update status."""
    return service.update_status is not None and service.update_status.state.startswith("rollback")


def changes(before: AnyState, after: AnyState) -> tuple[Change, ...]:
    """The differences by path, nested objects walked, lists as wholes; without the bookkeeping of each event."""
    old, new = before.__dict__, after.__dict__
    differing = {field for field in new.keys() - _BOOKKEEPING if old[field] != new[field]}
    models = {field for field in differing if not isinstance(new[field], dict)}  # what is a dict is JSON as it is
    return tuple(_walk(_json(before, models, differing), _json(after, models, differing), ""))


def _json(state: AnyState, models: set[str], fields: set[str]) -> dict[str, Any]:
    return {field: state.__dict__[field] for field in fields} | state.model_dump(mode="json", include=models)


def _walk(old: dict[str, Any], new: dict[str, Any], prefix: str) -> Iterator[Change]:
    differing = [key for key in old.keys() | new.keys() if old.get(key, _ABSENT) != new.get(key, _ABSENT)]
    for key in sorted(differing):
        left, right = old.get(key), new.get(key)
        path = f"{prefix}{key}"
        if isinstance(left, dict) and isinstance(right, dict):
            yield from _walk(left, right, f"{path}.")
        else:
            yield Change(path=path, before=left, after=right)


def _text(moment: datetime) -> str:
    return moment.isoformat()
