"""The calls on services and tasks."""

import asyncio
from collections.abc import Iterable
from typing import cast

from services.simulator import filters, render
from services.simulator.calls import Call
from services.simulator.http import Response, answer
from services.simulator.model import ApiError, Service, State, Task

_BATCH = 2000
"""Tasks made into JSON before others get their turn."""
_STATES = {state.word for state in State}


async def list_services(call: Call) -> Response:
    """All services, or those that match; with `status`, how many of their tasks run."""
    wanted = call.filters("name", "id", "label", "mode", "runtime")
    modes = {mode.lower().replace("-", "") for mode in wanted.get("mode", ())}
    shown = []
    for service in _asked_for(call, wanted):
        if not _matches(service, wanted) or (modes and service.mode.lower() not in modes):
            continue
        value = render.service(service)
        if call.flag("status") and call.api >= (1, 41):
            value["ServiceStatus"] = render.service_status(call.cluster.store, service)
        shown.append(value)
    return answer(shown)


def _asked_for(call: Call, wanted: filters.Wanted) -> Iterable[Service]:
    """Those of whole ids are found without a look at all, as the engine finds them: a whole id begins no other one."""
    services, ids = call.cluster.store.services, wanted.get("id", [])
    if ids and all(one in services for one in ids):
        return [services[one] for one in dict.fromkeys(ids)]
    return services.values()


def _matches(service: Service, wanted: filters.Wanted) -> bool:
    return (
        filters.starts(service.name, wanted.get("name"))
        and filters.starts(service.id, wanted.get("id"))
        and filters.labelled(service.spec["Labels"], wanted.get("label"))
        and filters.is_any("container", wanted.get("runtime"))
    )


async def create(call: Call) -> Response:
    """A new service."""
    service = call.cluster.create_service(call.request.json())
    warnings = {"Warnings": None} if call.api >= (1, 44) else {}
    return answer({"ID": service.id, **warnings}, 201)


async def inspect(call: Call) -> Response:
    """One service, with Swarm's defaults filled in where `insertDefaults` asks for that."""
    service = cast("Service", call.cluster.store.resolve("service", call.captured[0]))
    return answer(render.service(service, insert_defaults=call.flag("insertDefaults")))


async def update(call: Call) -> Response:
    """Write a service's spec, or roll it back."""
    rollback = call.request.query.get("rollback", "")
    if rollback not in {"", "none", "previous"}:
        raise ApiError(500, f"unrecognized rollback option {rollback}")
    call.cluster.update_service(call.captured[0], call.version("service"), call.request.json(), rollback)
    return answer({"Warnings": None})


async def remove(call: Call) -> Response:
    """Remove a service."""
    call.cluster.remove_service(call.captured[0])
    return Response()


async def inspect_task(call: Call) -> Response:
    """One task."""
    task = cast("Task", call.cluster.store.resolve("task", call.captured[0]))
    return Response(200, [call.cluster.task_json.encoded(task)])


async def list_tasks(call: Call) -> Response:
    """All tasks, or those that match, without keeping others waiting for long."""
    wanted = call.filters("name", "id", "label", "service", "node", "desired-state", "runtime", "_up-to-date")
    for state in wanted.get("desired-state", ()):
        if state.lower() not in _STATES:
            raise ApiError(500, f"Invalid desired-state filter: '{state}'")
    body = [b"["]
    tasks = list(_candidates(call, wanted))
    for start in range(0, len(tasks), _BATCH):
        if start:
            await asyncio.sleep(0)
        for task in tasks[start : start + _BATCH]:
            if _task_matches(call, task, wanted):
                body += (call.cluster.task_json.encoded(task), b",")
    if len(body) > 1:
        body.pop()
    return Response(200, [*body, b"]\n"])


def _candidates(call: Call, wanted: filters.Wanted) -> Iterable[Task]:
    """The tasks of the services and nodes that are asked for; services and nodes may be named any way."""
    store = call.cluster.store
    services = [store.resolve("service", reference).id for reference in wanted.get("service", ())]
    nodes = {store.resolve("node", _node(call, reference)).id for reference in wanted.get("node", ())}
    if services:
        tasks = [task for service_id in dict.fromkeys(services) for task in store.tasks_of(service_id)]
        return (task for task in tasks if not nodes or task.node_id in nodes)
    if nodes:
        return [task for node_id in nodes for task in store.tasks_on(node_id)]
    return store.tasks.values()


def _node(call: Call, reference: str) -> str:
    """`self` is the node that answers."""
    return next(n.id for n in call.cluster.store.nodes.values() if n.leader) if reference == "self" else reference


def _task_matches(call: Call, task: Task, wanted: filters.Wanted) -> bool:
    if not wanted:
        return True
    states = {state.lower() for state in wanted.get("desired-state", ())}
    if (states and task.desired.word not in states) or not filters.starts(task.id, wanted.get("id")):
        return False
    if not filters.is_any("container", wanted.get("runtime")):
        return False
    service = call.cluster.store.services.get(task.service_id)
    if "name" in wanted and not filters.starts(_name(task, service), wanted["name"]):
        return False
    if "_up-to-date" in wanted and (service is None or task.spec_version != service.spec_version):
        return False
    return filters.labelled(service.spec["Labels"] if service else {}, wanted.get("label"))


def _name(task: Task, service: Service | None) -> str:
    """A task's name: `service.slot.id`, of a global service `service.node.id`."""
    return f"{service.name if service else ''}.{task.slot or task.node_id}.{task.id}"
