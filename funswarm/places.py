"""One task and how it is reached; asked for by its slot (`web.1`), its node (`agent.node-1`) or its id. Pure."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from funswarm.errors import UnknownObject
from funswarm.messages import Problem
from funswarm.state import ENDED_STATES, NodeState, Published, ServiceState, TaskState
from funswarm.task_routes import Place, TaskRoute, TaskRouting, place_names, places_of, task_routes

SHOWN_MAX = 20  # places that an error names


class TaskPlace(Published):
    """A task with what leads to it, and those before it at the same place (none where it was asked for by its id)."""

    task: TaskState
    before: tuple[TaskState, ...] = ()
    node_address: str | None = None
    docker_host: str | None = Field(None, description="For DOCKER_HOST, where its node's name is known to ssh")
    docker_exec: str | None = Field(None, description="Opens a shell in its container; null: it has none that runs")
    routes: TaskRoute | None = Field(
        None, description="Through a reverse proxy; null: its service does not ask for any"
    )
    problems: tuple[Problem, ...] = Field((), description="Why it has no routes, though its service asks for them")


def place_of(
    name: str, service: ServiceState, tasks: Sequence[TaskState], nodes: Iterable[NodeState], routing: TaskRouting
) -> TaskPlace:
    """The task of that name among all `tasks` of its service.

    Docker's name of its container (`web.1.<task id>`), and the beginning of an id that no other has, will do.

    Raises:
        UnknownObject: there is none; the text says which places there are.
    """
    task, *before = _find(name, service.name, tasks)
    found = task_routes(service, tasks, routing)
    runs = task.container_id is not None and task.state not in ENDED_STATES
    return TaskPlace(
        task=task,
        before=tuple(before),
        node_address=next((node.address or None for node in nodes if node.id == task.node_id), None),
        docker_host=f"ssh://{task.node_name}" if task.node_name else None,
        docker_exec=f"docker exec -it {task.container_id[:12]} sh" if runs and task.container_id else None,
        routes=next((route for route in found.routes if route.place == task.name), None),
        problems=found.problems,
    )


def _find(name: str, service: str, tasks: Sequence[TaskState]) -> tuple[TaskState, ...]:
    """The task, then those before it at its place."""
    places = places_of(tasks)
    for place, held in places.items():
        if name in _names(service, place, held[0]):
            return held
    task_id = name.rpartition(".")[2]
    begun = [task for task in tasks if task.id.startswith(task_id) and name in (task_id, f"{task.name}.{task_id}")]
    if len(begun) == 1:
        return (begun[0],)
    if begun:
        raise UnknownObject(f"{len(begun)} tasks' ids begin with {name!r}: give more of it")
    there = [_names(service, place, held[0])[-1] for place, held in places.items()]
    more = f" and {len(there) - SHOWN_MAX} more" if len(there) > SHOWN_MAX else ""
    shown = f"{', '.join(there[:SHOWN_MAX])}{more}" if there else "no tasks"
    raise UnknownObject(f"there is no task {name!r}: {service} has {shown}")


def _names(service: str, place: Place, task: TaskState) -> list[str]:
    return [f"{service}.{name}" for name in place_names(place, task.node_name)] or [task.name]
