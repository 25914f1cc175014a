"""The objects of the simulated Swarm in memory, under one version counter that each change moves, as Raft's index.

Watchers hear of each change at once. Indexed by service and by node, so that no question scans all tasks. No I/O.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from services.simulator.agenda import Clock
from services.simulator.model import ApiError, Node, Object, Resource, Service, Task, not_found

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 25
KINDS = ("task", "service", "node", "network", "secret", "config")

T = TypeVar("T", Task, Service, Node, Resource)


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `before` is None for a creation, `after` for a removal."""

    before: Object | None
    after: Object | None
    at_ns: int


def new_id() -> str:
    """A fresh object ID, as SwarmKit's identity package makes them: 25 digits to the base 36."""
    number = secrets.randbits(129)
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)


class Store:
    """All objects by kind and ID. Values are never changed in place: `put` replaces."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.index = 10
        """The last version given away."""
        self.tasks: dict[str, Task] = {}
        self.services: dict[str, Service] = {}
        self.nodes: dict[str, Node] = {}
        self.resources: dict[str, dict[str, Resource]] = {kind: {} for kind in ("network", "secret", "config")}
        self.active_on: dict[str, int] = {}
        """How many tasks that are still wanted each node has."""
        self.watchers: list[Callable[[Change], None]] = []
        self._by_name: dict[tuple[str, str], str] = {}
        self._by_service: dict[str, dict[str, None]] = {}
        self._by_node: dict[str, dict[str, None]] = {}

    def now_ns(self) -> int:
        """The time in nanoseconds since 1970."""
        return int(self.clock.now() * 1e9)

    def table(self, kind: str) -> dict[str, Object]:
        """All objects of a kind by ID, in the order of their creation."""
        tables = {"task": self.tasks, "service": self.services, "node": self.nodes, **self.resources}
        return cast("dict[str, Object]", tables[kind])

    def put(self, item: T) -> T:
        """Store an object, new or changed, under the next version; returns it as stored."""
        self.index += 1
        now = self.now_ns()
        table = cast("dict[str, T]", self.table(item.kind))
        before = table.get(item.id)
        created_ns = before.created_ns if before else now
        after = replace(item, version=self.index, created_ns=created_ns, updated_ns=now)
        table[item.id] = after
        self._reindex(before, after)
        self._tell(Change(before, after, now))
        return after

    def delete(self, item: Object) -> None:
        """Forget an object; it must be stored."""
        self.index += 1
        del self.table(item.kind)[item.id]
        self._reindex(item, None)
        self._tell(Change(item, None, self.now_ns()))

    def tasks_of(self, service_id: str) -> list[Task]:
        """The tasks of a service, oldest first."""
        return [self.tasks[task_id] for task_id in self._by_service.get(service_id, ())]

    def tasks_on(self, node_id: str) -> list[Task]:
        """The tasks that a node has or had, oldest first."""
        return [self.tasks[task_id] for task_id in self._by_node.get(node_id, ())]

    def find_by_name(self, kind: str, name: str) -> Object | None:
        """The object of that exact name, if there is one."""
        item_id = self._by_name.get((kind, name))
        return self.table(kind)[item_id] if item_id else None

    def resolve(self, kind: str, reference: str) -> Object:
        """The object of that ID, else of that name, else the only one whose ID starts so (daemon/cluster/helpers.go).

        Raises:
            ApiError: none matches (404), or several do (400).
        """
        table = self.table(kind)
        if item := table.get(reference) or self.find_by_name(kind, reference):
            return item
        matches = list(self._ids_starting(kind, reference))
        if not matches:
            raise not_found(kind, reference)
        if len(matches) > 1:
            raise ApiError(400, f"{kind} {reference} is ambiguous ({len(matches)} matches found)")
        return table[matches[0]]

    def _ids_starting(self, kind: str, prefix: str) -> Iterator[str]:
        return (item_id for item_id in self.table(kind) if prefix and item_id.startswith(prefix))

    def _reindex(self, before: Object | None, after: Object | None) -> None:
        if isinstance(before or after, Task):
            self._reindex_task(cast("Task | None", before), cast("Task | None", after))
            return
        if before and not isinstance(before, Task):
            self._by_name.pop((before.kind, before.name), None)
        if after and not isinstance(after, Task):
            self._by_name[after.kind, after.name] = after.id

    def _reindex_task(self, before: Task | None, after: Task | None) -> None:
        """Keep tasks by service and node. Only a task's node and whether it is wanted ever change."""
        if before:
            self._count(before, -1)
        if after:
            self._count(after, 1)
        if before is None and after:
            self._by_service.setdefault(after.service_id, {})[after.id] = None
        if before and after is None:
            _drop(self._by_service, before.service_id, before.id)
        old, new = before.node_id if before else "", after.node_id if after else ""
        if old != new and before and old:
            _drop(self._by_node, old, before.id)
        if old != new and after and new:
            self._by_node.setdefault(new, {})[after.id] = None

    def _count(self, task: Task, step: int) -> None:
        if task.node_id and task.wanted and not task.ended:
            self.active_on[task.node_id] = self.active_on.get(task.node_id, 0) + step

    def _tell(self, change: Change) -> None:
        for watcher in self.watchers:
            watcher(change)


def _drop(index: dict[str, dict[str, None]], key: str, item_id: str) -> None:
    del index[key][item_id]
    if not index[key]:
        del index[key]
