"""The Swarm as the api follows it: services, the tasks that are wanted, nodes; folded from the feed. Pure.

Of each only what documents for proxies are made of: some hundred bytes a task. `World.revision` moves only when
something of that changes, so what is made of a World holds as long as its revision.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from sys import intern

from funswarm.changes import Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.messages import Event
from funswarm.state import ENDED_STATES, Address, AnyState, NodeState, Port, ServiceState, TaskState

HOST = "host"  # the node's own network
_LEAVING = frozenset({"shutdown", "remove"})  # desired states of tasks that nothing is to be sent to any more


@dataclass(frozen=True, slots=True)
class Reach:
    """An address on one network, without a mask; empty on the node's own. `network`: its name, None: not known."""

    network_id: str
    network: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Service:
    """`networks`: those that its spec names, by id or name; the ingress network is never one of them."""

    id: str
    name: str
    created_at: str
    mode: str
    replicas: int | None
    labels: Mapping[str, str]
    networks: tuple[str, ...]
    virtual_ips: tuple[Reach, ...]
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A task that is wanted and has not ended. `since`: when it came to its state, as Swarm says it."""

    id: str
    service_id: str
    slot: int | None
    node_id: str | None
    node_name: str | None
    created_at: str
    state: str
    desired_state: str
    addresses: tuple[Reach, ...]
    since: str = ""

    @property
    def is_ready(self) -> bool:
        """Swarm calls a task running once its health check, if it has one, has passed."""
        return self.state == "running" and self.desired_state == "running"


@dataclass(frozen=True, slots=True)
class Node:
    """A node, by its hostname."""

    id: str
    name: str
    state: str
    availability: str
    address: str


@dataclass(frozen=True, slots=True)
class World:
    """The Swarm at one moment. `services` and `nodes` by id, `tasks` by their service's id, in order of slot or node.

    `networks`: the names of networks by id, as far as they are known.
    """

    revision: int = 0
    services: Mapping[str, Service] = field(default_factory=dict)
    tasks: Mapping[str, tuple[Task, ...]] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)

    def ready_tasks(self, service_id: str) -> list[Task]:
        """Those that take requests: running, to be running, and on a node that is not down."""
        return [task for task in self.tasks.get(service_id, ()) if task.is_ready and not self._is_down(task.node_id)]

    def _is_down(self, node_id: str | None) -> bool:
        node = self.nodes.get(node_id or "")
        return node is not None and node.state == "down"


class _Known:
    """What is there, by id; tasks by service and id."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.tasks: dict[str, dict[str, Task]] = {}
        self.nodes: dict[str, Node] = {}
        self.networks: dict[str, str] = {}

    def keep(self, state: AnyState) -> str | None:
        """The id of the service whose tasks changed; empty: something else changed; None: nothing did."""
        match state:
            case TaskState():
                return self._keep_task(state)
            case ServiceState():
                return _put(self.services, state.id, _service(state))
            case NodeState():
                return _put(self.nodes, state.id, _node(state))
        return None

    def drop(self, event: Event) -> str | None:
        """As `keep`, of an object that is gone."""
        if isinstance(event.before, TaskState):
            return self._drop_task(event.before.service_id, event.object_id)
        objects: dict[str, Service] | dict[str, Node] = self.services if event.kind == "service" else self.nodes
        return None if objects.pop(event.object_id, None) is None else ""

    def _keep_task(self, state: TaskState) -> str | None:
        if state.desired_state in _LEAVING or state.state in ENDED_STATES:
            return self._drop_task(state.service_id, state.id)
        for address in state.addresses:
            if address.network is not None:
                self.networks[intern(address.network_id)] = intern(address.network)
        changed = _put(self.tasks.setdefault(state.service_id, {}), state.id, _task(state))
        return None if changed is None else state.service_id

    def _drop_task(self, service_id: str, task_id: str) -> str | None:
        tasks = self.tasks.get(service_id, {})
        if tasks.pop(task_id, None) is None:
            return None
        if not tasks:
            del self.tasks[service_id]
        return service_id

    def is_as(self, other: "_Known") -> bool:
        return (self.services, self.tasks, self.nodes) == (other.services, other.tasks, other.nodes)


class Fold:
    """The World as the feed tells of it.

    `complete`: a snapshot is read, and no event since is missing. Else `world` is as it was when that was so, and None
    where it never was.

    `filling`: the snapshot had no node. Every Swarm has one, so the poller has yet to tell of all, as after a loss of
    NATS's data; what it tells is no World before `filled` says so.
    """

    def __init__(self) -> None:
        self.complete = False
        self.filling = False
        self._revision = 0
        self._known = _Known()
        self._coming = _Known()
        self._ordered: dict[str, tuple[Task, ...]] = {}  # by service id, as World has them
        self._world: World | None = None

    @property
    def revision(self) -> int:
        """That of the World; 0: there is none yet."""
        return self._revision

    def world(self) -> World | None:
        """The same value for as long as nothing changes."""
        if self._revision and (self._world is None or self._world.revision != self._revision):
            known = self._known
            for service_id in known.tasks.keys() - self._ordered.keys():
                self._ordered[service_id] = tuple(sorted(known.tasks[service_id].values(), key=_place))
            self._world = World(
                self._revision, dict(known.services), dict(self._ordered), dict(known.nodes), dict(known.networks)
            )
        return self._world

    def take(self, item: Item) -> None:
        """The next of the feed.

        Raises:
            Failed: the event is not understood.
        """
        match item:
            case SnapshotBegin():
                self._coming, self.filling = _Known(), False
            case Snapshotted(state):
                self._coming.keep(state)
            case SnapshotEnd():
                self.filling = True
                self.filled()
            case Relisted():
                self.complete = self.filling = False
            case _ if self.filling:
                _fold(self._coming, item.event)
            case _:
                self._change(item.event)

    def filled(self) -> None:
        """The poller has paused: with a node, what it told until now is the World."""
        if self._coming.nodes:
            self._replace()

    def broken(self) -> None:
        """The feed has ended: what is known may be outdated."""
        self.complete = self.filling = False

    def _replace(self) -> None:
        if not self._revision or not self._coming.is_as(self._known):
            self._revision += 1
            self._ordered.clear()
        self._known, self._coming, self.complete, self.filling = self._coming, _Known(), True, False

    def _change(self, event: Event) -> None:
        touched = _fold(self._known, event)
        if touched is not None:
            self._revision += 1
            self._ordered.pop(touched, None)


def _fold(known: _Known, event: Event) -> str | None:
    """As `_Known.keep`, of an event."""
    return known.drop(event) if event.after is None else known.keep(event.after)


def _put(objects: dict[str, Service] | dict[str, Task] | dict[str, Node], object_id: str, new: object) -> str | None:
    if objects.get(object_id) == new:
        return None
    objects[object_id] = new  # type: ignore[assignment]  # each caller gives the kind that its dict has
    return ""


def _place(task: Task) -> tuple[int, str, str]:
    return (task.slot or 0, task.node_id or "", task.id)


def _service(state: ServiceState) -> Service:
    template = state.spec.get("TaskTemplate") or {}
    attached = template.get("Networks") or state.spec.get("Networks") or ()
    return Service(
        id=state.id,
        name=state.name,
        created_at=state.created_at,
        mode=state.mode,
        replicas=state.replicas,
        labels=state.labels,
        networks=tuple(one["Target"] for one in attached if one.get("Target")),
        virtual_ips=_reaches(state.virtual_ips),
        ports=state.ports,
    )


def _task(state: TaskState) -> Task:
    return Task(
        id=state.id,
        service_id=intern(state.service_id),
        slot=state.slot,
        node_id=intern(state.node_id) if state.node_id else None,
        node_name=intern(state.node_name) if state.node_name else None,
        created_at=state.created_at,
        state=intern(state.state),
        desired_state=intern(state.desired_state),
        addresses=_reaches(state.addresses),
        since=state.timestamp,
    )


def _node(state: NodeState) -> Node:
    return Node(state.id, state.name, state.state, state.availability, state.address)


def _reaches(addresses: tuple[Address, ...]) -> tuple[Reach, ...]:
    return tuple(
        Reach(intern(one.network_id), intern(one.network) if one.network else None, address.partition("/")[0])
        for one in addresses
        for address in one.addresses or (("",) if one.network == HOST else ())
    )
