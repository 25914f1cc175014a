"""The routes to single tasks in Traefik's words. Pure; which there are, `funswarm.task_routes` says.

A place's router leads to the Traefik service of its task that is ready now, and to one without servers (503) where none
is. The paths are cut off by one middleware for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from funswarm.messages import Problem
from funswarm.task_routes import TaskRoute, TaskRouting, task_routes
from services.api.world import Service, Task, World

NO_TASK: Final = "funswarm-no-task"
STRIP: Final = "funswarm-task-strip"
_CUT_OFF: Final = "^/tasks/(id/)?[^/]+"

AddressOf = Callable[[Service, Task], str | None]


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One service's part of `http`: empty where its tasks have no routes."""

    routers: Mapping[str, Any] = field(default_factory=dict)
    middlewares: Mapping[str, Any] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def task_part(world: World, service: Service, routing: TaskRouting, address_of: AddressOf) -> TaskPart:
    """The routes to the tasks of one service. `address_of`: where a task is reached, None: nowhere."""
    ready = {task.id: task for task in world.ready_tasks(service.id)}
    found = task_routes(service, world.tasks.get(service.id, ()), routing, lambda task: task.id in ready)
    if not found.routes:
        return TaskPart(problems=found.problems)
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {NO_TASK: _leading_to()}
    for route in found.routes:
        for task_id, path in route.task_paths.items():
            address = address_of(service, ready[task_id])
            services[_of_task(task_id)] = _leading_to(*([_url(route, address)] if address else []))
            routers[_of_task(task_id)] = _router(route, _paths(path), task_id, STRIP)
        name = f"funswarm-task-{route.place}"
        routers[name] = _router(route, _paths(*route.paths), route.task_id, STRIP)
        if route.hosts:
            rule = " || ".join(f"Host(`{host}`)" for host in route.hosts)
            routers[f"{name}-host"] = _router(route, rule, route.task_id)
    return TaskPart(routers, {STRIP: {"stripPrefixRegex": {"regex": [_CUT_OFF]}}}, services, found.problems)


def _router(route: TaskRoute, rule: str, task_id: str | None, *own: str) -> dict[str, Any]:
    """`own`: after the service's middlewares, so that what lets in is asked first."""
    middlewares = [*route.middlewares, *own]
    return {
        "rule": rule,
        "service": _of_task(task_id) if task_id else NO_TASK,
        **({"middlewares": middlewares} if middlewares else {}),
        **({"entryPoints": list(route.entrypoints)} if route.entrypoints else {}),
    }


def _paths(*paths: str) -> str:
    """A path and all below it, and nothing that only begins alike, as nginx.10 does."""
    return " || ".join(f"Path(`{path}`) || PathPrefix(`{path}/`)" for path in paths)


def _of_task(task_id: str) -> str:
    return f"funswarm-task-id-{task_id}"


def _leading_to(*urls: str) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls]}}


def _url(route: TaskRoute, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{route.scheme}://{host}:{route.port}"
