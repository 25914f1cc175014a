"""The Swarm as last observed: facts from lists and targeted reads, with the rules for answers that race. Pure.

reader, lists, motion -> View -> (changed keys) -> publisher. What is derived from several objects (a service's
condition, a node's `drained`) is not kept here: the publisher derives it when it publishes.

Answers overlap: a list takes long, targeted reads overtake it. Each read is a `Reading` from before the question is
asked until its answer is taken in. Then:
* An older Version.Index never overwrites a newer one, unless lists insist on it (`is_back`, `take_back`).
* What was removed while a question was open does not come back with its answer (Swarm never uses an id twice).
* A complete list removes only what was in the view before the list was asked for.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from funswarm.state import KINDS, AnyState, NodeState, ServiceState, TaskState
from services.lean import lean
from services.poller.known import Key, Known, key_of

DERIVED: Final = {"revision": 0, "condition": None, "drained": False}  # no facts: not compared, kept from before


class Reading:
    """One question to the engine, as long as it is open: what came, changed and went meanwhile."""

    def __init__(self) -> None:
        self.appeared: Final[set[Key]] = set()
        self.changed: Final[set[Key]] = set()
        self.removed: Final[set[Key]] = set()


class View:
    """The observed objects, and the tasks by service and by node.

    `changed(key)` is called for each object whose facts changed, and for those whose derived state may have: the
    service of a changed task, and its node when that is being drained; the services on a changed node, and global ones.
    It begins with what is `known` of the watched `kinds`.
    """

    def __init__(
        self, changed: Callable[[Key], None], known: Known | None = None, kinds: Collection[str] = KINDS
    ) -> None:
        self._changed = changed
        self._states: Final[dict[str, dict[str, AnyState]]] = {kind: {} for kind in KINDS}
        self._of_service: Final[dict[str, dict[str, TaskState]]] = {}
        self._on_node: Final[dict[str, dict[str, TaskState]]] = {}
        self._readings: Final[set[Reading]] = set()
        for key in known.keys() if known else ():
            state = known.get(key) if known else None
            if state is not None and state.kind != "engine" and state.kind in kinds:
                self._set(key, state)

    def get(self, key: Key) -> AnyState | None:
        return self._states[key[0]].get(key[1])

    def of(self, kind: str) -> dict[str, AnyState]:
        """All states of a kind by id; not to be changed."""
        return self._states[kind]

    def keys(self) -> list[Key]:
        return [(kind, object_id) for kind, states in self._states.items() for object_id in states]

    def service(self, service_id: str) -> ServiceState | None:
        state = self._states["service"].get(service_id)
        return state if isinstance(state, ServiceState) else None

    def node(self, node_id: str) -> NodeState | None:
        state = self._states["node"].get(node_id)
        return state if isinstance(state, NodeState) else None

    def services(self) -> Iterator[ServiceState]:
        return (state for state in self._states["service"].values() if isinstance(state, ServiceState))

    def nodes(self) -> Mapping[str, NodeState]:
        """All nodes by id."""
        return cast("Mapping[str, NodeState]", self._states["node"])

    def tasks_of(self, service_id: str) -> Collection[TaskState]:
        return self._of_service.get(service_id, {}).values()

    def tasks_on(self, node_id: str) -> Collection[TaskState]:
        return self._on_node.get(node_id, {}).values()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Open before the question is asked, closed when the answer is taken in."""
        reading = Reading()
        self._readings.add(reading)
        try:
            yield reading
        finally:
            self._readings.discard(reading)

    def observe(self, reading: Reading, state: AnyState) -> bool:
        """Take in one object of an answer; whether it changed the view."""
        key = key_of(state)
        old = self.get(key)
        if old is state or key in reading.removed:
            return False
        if old is not None and (state.version < old.version or _same_facts(old, state)):
            return False
        for other in self._readings:
            (other.appeared if old is None else other.changed).add(key)
        self._set(key, state)
        self._tell(key, old, state)
        return True

    def is_back(self, reading: Reading, state: AnyState) -> bool:
        """Whether the answer has an older version than was known before the question was asked.

        So it is where the engine lags behind for a moment, and for good where the Swarm was restored from a backup.
        """
        key = key_of(state)
        old = self.get(key)
        return old is not None and state.version < old.version and key not in reading.changed | reading.appeared

    def take_back(self, state: AnyState) -> None:
        """Take in an older version: the Swarm went back to it."""
        key = key_of(state)
        old = self.get(key)
        self._set(key, state)
        self._tell(key, old, state)

    def missing(self, reading: Reading, among: Collection[str], kind: str, seen: Collection[str]) -> list[Key]:
        """Of the objects with the ids `among`: those that a complete answer without them proves removed.

        What appeared while the question was open may be too young for its answer: it is not among them.
        """
        keys = ((kind, object_id) for object_id in among if object_id not in seen)
        return [key for key in keys if key not in reading.appeared]

    def remove(self, key: Key) -> bool:
        """The object is gone; whether it was there."""
        for reading in self._readings:
            reading.removed.add(key)
        old = self._states[key[0]].pop(key[1], None)
        if old is None:
            return False
        if isinstance(old, TaskState):
            self._unindex(old)
        self._tell(key, old, None)
        return True

    def settle(self, state: AnyState) -> None:
        """Keep the published state in place of the observed one, if it has the same facts: one copy in memory."""
        key = key_of(state)
        observed = self.get(key)
        if observed is not None and observed is not state and _same_facts(observed, state):
            self._set(key, state)

    def set_engine(self, state: AnyState) -> None:
        """What the poller itself knows about the engine; no reading is needed."""
        old = self.get(key_of(state))
        if old is None or not _same_facts(old, state):
            self._set(key_of(state), state)
            self._changed(key_of(state))

    def _set(self, key: Key, state: AnyState) -> None:
        if isinstance(state, TaskState):
            old = self._states["task"].get(key[1])
            if isinstance(old, TaskState) and (old.service_id, old.node_id) != (state.service_id, state.node_id):
                self._unindex(old)
            self._of_service.setdefault(state.service_id, {})[state.id] = state
            if state.node_id:
                self._on_node.setdefault(state.node_id, {})[state.id] = state
        self._states[key[0]][key[1]] = lean(state)

    def _unindex(self, task: TaskState) -> None:
        for index, owner in ((self._of_service, task.service_id), (self._on_node, task.node_id or "")):
            tasks = index.get(owner, {})
            tasks.pop(task.id, None)
            if not tasks:
                index.pop(owner, None)

    def _tell(self, key: Key, *states: AnyState | None) -> None:
        touched = {key: None}
        if key[0] == "node":
            touched |= {("service", task.service_id): None for task in self.tasks_on(key[1])}
            touched |= {key_of(service): None for service in self.services() if service.mode.startswith("global")}
        for task in states:
            if isinstance(task, TaskState):
                touched[("service", task.service_id)] = None
                node = self.node(task.node_id or "")
                if node is not None and node.availability == "drain":
                    touched[key_of(node)] = None
        for one in touched:
            if one == key or one[1] in self._states[one[0]]:
                self._changed(one)


def _same_facts(one: AnyState, other: AnyState) -> bool:
    if one.version != other.version:
        return False
    left: dict[str, Any] = one.__dict__ | DERIVED
    return left == other.__dict__ | DERIVED
