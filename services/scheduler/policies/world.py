"""The Swarm as the feed tells it, for policies: services, and where a policy needs them tasks and nodes. Pure.

Of services that no policy follows most of the spec is left out; another service's policy may ask how they do. Tasks are
kept only of services with a policy that needs them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.messages import Event
from funswarm.state import AnyState, NodeState, ServiceState, TaskState
from services.scheduler.plan_node import DRAIN_LABEL
from services.scheduler.policies.asked import NOTHING_ASKED, Asked
from services.scheduler.policies.drain_memory import BASE_LABEL as DRAIN_BASE_LABEL

ALL: Final = "all"  # among the ids of services whose tasks are needed


@dataclass(frozen=True, slots=True)
class Entry:
    """A service, and what its labels ask for."""

    state: ServiceState
    asked: Asked


class Known:
    """`World` of the contract, and what the frame needs besides. Two feeds flow into it: `take`, `take_tasks`."""

    def __init__(self, asks: Callable[[ServiceState, bool], Asked]) -> None:
        self._asks = asks
        self.complete = False  # all services are known
        self.tasks_complete = False  # so are nodes, and the tasks that are needed
        self.told_at: datetime | None = None
        self._entries: dict[str, Entry] = {}  # by id
        self._ids: dict[str, str] = {}  # by name
        self._topics: dict[str, set[str]] = {}  # topic -> ids
        self._coming: dict[str, ServiceState] = {}
        self._tasks: dict[str, dict[str, TaskState]] = {}  # by the service's id, by id
        self._nodes: dict[str, NodeState] = {}
        self._coming_tasks: dict[str, dict[str, TaskState]] = {}
        self._coming_nodes: dict[str, NodeState] = {}
        self._told_of: frozenset[str] = frozenset()  # the ids of the services whose tasks are told
        self._draining = False
        self._surged: set[str] = set()  # the ids of services that a drain has surged

    # As policies see it.
    def service(self, name: str) -> ServiceState | None:
        entry = self.entry(name)
        return None if entry is None else entry.state

    def services(self) -> Iterable[ServiceState]:
        return (entry.state for entry in self._entries.values())

    def tasks_of(self, service_id: str) -> tuple[TaskState, ...]:
        return tuple(self._tasks.get(service_id, {}).values())

    def nodes(self) -> Mapping[str, NodeState]:
        return MappingProxyType(self._nodes)

    def knows_tasks_of(self, service_id: str) -> bool:
        """Whether all its tasks are known."""
        return self.tasks_complete and (ALL in self._told_of or service_id in self._told_of)

    # As the frame does.
    def entry(self, name: str) -> Entry | None:
        return self._entries.get(self._ids.get(name, ""))

    def may_follow(self, policy: str, name: str) -> bool:
        """Whether that policy follows that service, as far as is known yet: it may while not all services are."""
        entry = self.entry(name)
        return policy in entry.asked.settings if entry is not None else not self.complete

    def followed(self) -> list[str]:
        """The names of all services that a policy follows."""
        return [entry.state.name for entry in self._entries.values() if entry.asked.settings]

    def need_tasks(self) -> frozenset[str]:
        """The ids of the services whose tasks are needed; `ALL` among them: of all."""
        needed = {service_id for service_id, entry in self._entries.items() if entry.asked.needs_tasks}
        if any(entry.asked.needs_all_tasks for entry in self._entries.values()):
            needed.add(ALL)
        return frozenset(needed)

    def problems(self) -> list[Entry]:
        """The services with labels that are not followed."""
        return [entry for entry in self._entries.values() if entry.asked.problems]

    def take(self, item: Item) -> set[str]:
        """The next of the feed of services; the names of those that are to be looked at, by topics too."""
        match item:
            case SnapshotBegin():
                self._coming = {}
            case Snapshotted(ServiceState() as state):
                self._coming[state.id] = state
            case SnapshotEnd():
                return self._replace()
            case Changed():
                return self._change(item.event)
            case Relisted():
                self.complete = False
        return set()

    def take_tasks(self, item: Item, needed: frozenset[str]) -> set[str]:
        """The next of the feed of tasks and nodes; the names of services to be looked at.

        What is known is known until a snapshot is complete: each service with labels that comes has it read anew.
        """
        match item:
            case SnapshotBegin():
                self._coming_tasks, self._coming_nodes = {}, {}
            case Snapshotted(state):
                self._put(state, needed, self._coming_tasks, self._coming_nodes)
            case SnapshotEnd():
                return self._replace_tasks(needed)
            case Changed():
                touched = self._task_or_node(item.event, needed)
                return touched | self._ask_again()
            case Relisted():
                self.tasks_complete = False
        return set()

    def _replace(self) -> set[str]:
        before = {entry.state.name for entry in self._entries.values()}
        coming, self._coming = self._coming, {}
        for service_id in self._entries.keys() - coming.keys():
            self._drop(service_id)
        for state in coming.values():
            self._keep(state)
        self.complete = True
        self._ask_again()
        return before | self._ids.keys()

    def _replace_tasks(self, needed: frozenset[str]) -> set[str]:
        """The names of those of which something else is known than before; of all where that cannot be said."""
        tasks, nodes, known = self._tasks, self._nodes, self._told_of if self.tasks_complete else frozenset()
        self._tasks, self._coming_tasks = self._coming_tasks, {}
        self._nodes, self._coming_nodes = self._coming_nodes, {}
        self.tasks_complete, self._told_of = bool(needed), needed
        asked_again = self._ask_again()
        if nodes != self._nodes or not known or ALL in known | needed:
            return asked_again | set(self.followed())
        other = {one for one in needed if one not in known or tasks.get(one) != self._tasks.get(one)}
        return asked_again | {self._entries[one].state.name for one in other if one in self._entries}

    def _change(self, event: Event) -> set[str]:
        self.told_at = event.observed_at
        touched = {event.name} | self._sharing(event.object_id, event.name)
        if event.after is None:
            self._drop(event.object_id)
        elif isinstance(event.after, ServiceState):
            self._keep(event.after)
            touched |= self._sharing(event.object_id, event.name)
        return touched | self._ask_again()

    def _ask_again(self) -> set[str]:
        """All services, where a drain has begun, or none goes on any more; the names of those that it concerns."""
        draining = bool(self._surged) or any(DRAIN_LABEL in node.labels for node in self._nodes.values())
        if draining == self._draining:
            return set()
        before, self._draining = self.followed(), draining
        for entry in list(self._entries.values()):
            self._keep(entry.state)
        return {*before, *self.followed()}

    def _keep(self, state: ServiceState) -> None:
        self._drop(state.id)
        if DRAIN_BASE_LABEL in state.labels:
            self._surged.add(state.id)
        asked = self._asks(state, self._draining)
        light = state if asked.settings or asked.problems else state.model_copy(update={"spec": _reserving(state)})
        entry = Entry(light, asked) if asked.settings or asked.problems else Entry(light, NOTHING_ASKED)
        self._entries[state.id] = entry
        self._ids[state.name] = state.id
        for topic in asked.topics:
            self._topics.setdefault(topic, set()).add(state.id)

    def _drop(self, service_id: str) -> None:
        entry = self._entries.pop(service_id, None)
        self._surged.discard(service_id)
        if entry is None:
            return
        if self._ids.get(entry.state.name) == service_id:
            del self._ids[entry.state.name]
        for topic in entry.asked.topics:
            sharing = self._topics[topic]
            sharing.discard(service_id)
            if not sharing:
                del self._topics[topic]

    def _sharing(self, service_id: str, name: str) -> set[str]:
        if not self._topics:
            return set()
        entry = self._entries.get(service_id)
        topics = {name, *(entry.asked.topics if entry is not None else ())}
        ids = {one for topic in topics for one in self._topics.get(topic, ())}
        return {self._entries[one].state.name for one in ids}

    @staticmethod
    def _put(
        state: AnyState, needed: frozenset[str], tasks: dict[str, dict[str, TaskState]], nodes: dict[str, NodeState]
    ) -> None:
        if isinstance(state, NodeState):
            nodes[state.id] = state
        elif isinstance(state, TaskState) and (state.service_id in needed or ALL in needed):
            tasks.setdefault(state.service_id, {})[state.id] = state

    def _task_or_node(self, event: Event, needed: frozenset[str]) -> set[str]:
        self.told_at = event.observed_at
        state = event.after or event.before
        if event.after is not None:
            self._put(event.after, needed, self._tasks, self._nodes)
        elif event.kind == "node":
            self._nodes.pop(event.object_id, None)
        elif isinstance(state, TaskState):
            tasks = self._tasks.get(state.service_id, {})
            tasks.pop(event.object_id, None)
            if not tasks:
                self._tasks.pop(state.service_id, None)
        if isinstance(state, TaskState):
            return {state.service_name} if state.service_id in needed or ALL in needed else set()
        return {entry.state.name for entry in self._entries.values() if entry.asked.needs_tasks}


def _reserving(state: ServiceState) -> dict[str, Any]:
    """Of a spec what its tasks reserve."""
    resources = (state.spec.get("TaskTemplate") or {}).get("Resources")
    return {"TaskTemplate": {"Resources": resources}} if resources else {}
