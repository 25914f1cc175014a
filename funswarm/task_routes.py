"""The routes to single tasks through a reverse proxy: what a service's labels ask for. Pure. docs/proxies.md

A *place* is a slot of a replicated service, or a node of a global one. Its routes follow it from task to task; a task's
own route ends with the task.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from funswarm.messages import Problem
from funswarm.state import ENDED_STATES, Port, Published

EXPOSE: Final = "funswarm.tasks.expose"
PORT: Final = "funswarm.tasks.port"
ENTRYPOINTS: Final = "funswarm.tasks.entrypoints"
MIDDLEWARES: Final = "funswarm.tasks.middlewares"
ENABLE: Final = "traefik.enable"  # false: no proxy leads to it at all
SOURCE: Final = "traefik"  # of the problems: who reads these labels is the same

_SERVER: Final = re.compile(r"traefik\.http\.services\.([^.]+)\.loadbalancer\.server\.(port|scheme)", re.IGNORECASE)
_SAFE: Final = re.compile(r"[A-Za-z0-9._-]+")  # what a rule can quote; a node names itself
_YES_OR_NO: Final = {"true": True, "1": True, "false": False, "0": False}
_SCHEMES: Final = ("http", "https", "h2c")


class ServiceLike(Protocol):
    """What is read of a service: a ServiceState has it."""

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def replicas(self) -> int | None: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def ports(self) -> tuple[Port, ...]: ...


class TaskLike(Protocol):
    """What is read of a task: a TaskState has it."""

    @property
    def id(self) -> str: ...
    @property
    def slot(self) -> int | None: ...
    @property
    def node_id(self) -> str | None: ...
    @property
    def node_name(self) -> str | None: ...
    @property
    def created_at(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def desired_state(self) -> str: ...


Place = tuple[int, str]  # the slot, or 0 and the node's id
S = TypeVar("S", bound=TaskLike)


@dataclass(frozen=True, slots=True)
class TaskRouting:
    """`expose`: tasks of services that do not say. `domain`: places have host names under it; None: paths only."""

    expose: bool = False
    domain: str | None = None


NO_ROUTING: Final = TaskRouting()


class TaskRoute(Published):
    """How one place is reached through the proxy.

    `task_id`: where its routes lead now; None: no task is ready, they answer 503. `paths`: without the slash at the
    end, e.g. `/tasks/web.1`. `task_paths`: of its ready tasks (two for a moment where a new one starts first), by id.
    """

    place: str
    task_id: str | None = None
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    task_paths: dict[str, str] = {}
    port: int
    scheme: str = "http"
    entrypoints: tuple[str, ...] = ()
    middlewares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRoutes:
    """The routes of a service's places; empty where its tasks are not exposed, or `problems` say why not."""

    routes: tuple[TaskRoute, ...] = ()
    problems: tuple[Problem, ...] = ()


def is_ready(task: TaskLike) -> bool:
    """Whether it takes requests: it runs (with a health check: and is healthy), and is to go on running."""
    return task.state == task.desired_state == "running"


def task_routes(
    service: ServiceLike, tasks: Iterable[S], routing: TaskRouting, ready: Callable[[S], bool] = is_ready
) -> TaskRoutes:
    """The routes to the tasks of a service, by place. Jobs have none.

    A service that is exposed by the setting alone, and has no port to choose, has no routes and no problem.
    """
    asked = _YES_OR_NO.get(service.labels.get(EXPOSE, str(routing.expose)).strip().lower())
    if asked is None:
        return TaskRoutes(problems=(_problem(service, EXPOSE, "it is neither true nor false"),))
    off = any(
        label.lower() == ENABLE and _YES_OR_NO.get(value.strip().lower()) is False
        for label, value in service.labels.items()
    )
    if not asked or off or service.mode.endswith("job") or not _SAFE.fullmatch(service.name):
        return TaskRoutes()
    server = _server(service)
    if isinstance(server, Problem):
        return TaskRoutes(problems=(server,) if EXPOSE in service.labels or PORT in service.labels else ())
    places = places_of(tasks, 0 if service.mode == "global" else service.replicas or 0)
    on_node = Counter(held[0].node_name for held in places.values() if held)
    routes = []
    for place, held in places.items():
        names = place_names(place, held[0].node_name if held and on_node[held[0].node_name] == 1 else None)
        if names:
            ids = tuple(task.id for task in held if ready(task))
            routes.append(_route(service, server, routing.domain, names, ids))
    return TaskRoutes(tuple(routes))


def places_of(tasks: Iterable[S], replicas: int = 0) -> dict[Place, tuple[S, ...]]:
    """The tasks of each place: the ready ones first, then those that are to run, then those that ended.

    Of each the newest first. A place that Swarm takes away (its tasks' desired state is `remove`) is none any more.
    With `replicas` there are at least so many slots, the lowest without tasks: what runs there is yet to be made.
    """
    found: dict[Place, list[S]] = {}
    for task in sorted(tasks, key=_rank, reverse=True):
        if task.desired_state != "remove":
            found.setdefault((task.slot, "") if task.slot else (0, task.node_id or ""), []).append(task)
    free = (slot for slot in range(1, replicas + 1) if (slot, "") not in found)
    for slot in list(itertools.islice(free, max(0, replicas - len(found)))):
        found[slot, ""] = []
    return {place: tuple(held) for place, held in sorted(found.items())}


def place_names(place: Place, node_name: str | None) -> tuple[str, ...]:
    """What follows the service's name and a dot: the slot; else the node's id and, where it is no other's, its name."""
    slot, node_id = place
    return tuple(name for name in ((str(slot),) if slot else (node_id, node_name)) if name and _SAFE.fullmatch(name))


def _route(
    service: ServiceLike, server: tuple[int, str], domain: str | None, names: tuple[str, ...], ready: tuple[str, ...]
) -> TaskRoute:
    return TaskRoute(
        place=f"{service.name}.{names[0]}",
        task_id=ready[0] if ready else None,
        paths=tuple(f"/tasks/{service.name}.{name}" for name in names),
        hosts=tuple(f"{name}.{service.name}.{domain}".lower() for name in names if domain),
        task_paths={task_id: f"/tasks/id/{task_id}" for task_id in ready},
        port=server[0],
        scheme=server[1],
        entrypoints=_listed(service, ENTRYPOINTS),
        middlewares=_listed(service, MIDDLEWARES),
    )


def _rank(task: TaskLike) -> tuple[bool, bool, str]:
    to_run = task.state not in ENDED_STATES and task.desired_state not in ENDED_STATES
    return (is_ready(task), to_run, task.created_at.rstrip("Z"))  # "…05.1" sorts before "…05.12"


def _server(service: ServiceLike) -> tuple[int, str] | Problem:
    """The port and scheme that tasks are asked at: the label's, else Traefik's, else that of the only one there is."""
    if PORT in service.labels:
        port = _port(service.labels[PORT])
        return (port, "http") if port else _problem(service, PORT, "it is no port: write a number from 1 to 65535")
    said: dict[str, dict[str, str]] = {}
    for label, value in service.labels.items():
        if found := _SERVER.fullmatch(label):
            said.setdefault(found[1], {})[found[2].lower()] = value.strip()
    servers = {(_port(one["port"]), one.get("scheme", "http").lower()) for one in said.values() if "port" in one}
    usable = {(port, scheme) for port, scheme in servers if port and scheme in _SCHEMES}
    targets = {(port.target, "http") for port in service.ports if port.protocol == "tcp"}
    choice = usable or targets
    if len(choice) == 1:
        return next((port, scheme) for port, scheme in choice if port)
    ports = ", ".join(str(port) for port, _ in sorted(choice, key=str)) or "none"
    return _problem(service, PORT, f"which port the tasks serve is not clear (found: {ports}): set this label to it")


def _port(text: str) -> int | None:
    text = text.strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return number if 1 <= number <= 65535 else None


def _listed(service: ServiceLike, label: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in service.labels.get(label, "").split(",") if part.strip())


def _problem(service: ServiceLike, label: str, reason: str) -> Problem:
    return Problem(source=SOURCE, service=service.name, label=label, value=service.labels.get(label), reason=reason)
