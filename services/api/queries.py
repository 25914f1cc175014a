"""The routes that read: services, tasks, nodes and results of commands."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response

from funswarm.client import Client
from funswarm.errors import UnknownCommand
from funswarm.messages import NodePage, Result, ServicePage, TaskPage
from funswarm.outcome import is_pending
from funswarm.places import TaskPlace
from funswarm.state import NodeState, ServiceState, Value
from funswarm.task_routes import TaskRouting
from services.api.access import Asking, Caller
from services.api.asked import Unfinished, unfinished
from services.api.documented import ETAG, LISTING, READING
from services.api.preconditions import etag
from services.api.seen import result_of, service_of, services_of, task_of, tasks_of, waits_for
from services.api.waiting import SETTLING_WAIT_S, TimeoutQuery, Waiting, WaitQuery, waiting_of

Name = Annotated[str, Path(min_length=1, max_length=128, description="Its name or id", examples=["web"])]
Hostname = Annotated[str, Path(min_length=1, max_length=128, description="Its hostname or id", examples=["node-1"])]
CommandId = Annotated[str, Path(min_length=1, max_length=128, description="As the answer to the command says")]
TaskName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=512,
        description="Its slot as web.1, of a global service its node as web.node-1, or its id",
        examples=["web.1"],
    ),
]
Filter = Annotated[str | None, Query(min_length=1, max_length=128, description="By name or id")]

LOOK_INTERVAL_S: Final = 0.25
WAITS: Final[dict[str, Any]] = {"model": Unfinished, "description": "It waits to be done: ask again"}


def routes(client: Client, routing: TaskRouting) -> APIRouter:
    """All reads of /v1 but the events."""
    router = APIRouter(prefix="/v1")
    result_or_wait = gives(Result) | {202: WAITS}

    @router.get("/services", tags=["services"], responses=lists(ServicePage), response_model=None)
    async def list_services(caller: Asking) -> Response:
        """All services, by name."""
        return json(ServicePage(items=await services_of(client, caller)))

    @router.get("/services/{name}", tags=["services"], responses=gives(ServiceState, ETAG), response_model=None)
    async def get_service(name: Name, caller: Asking) -> Response:
        """One service, by name or id."""
        found = await service_of(client, caller, name)
        return json(found, etag(found.version))

    @router.get("/tasks", tags=["tasks"], responses=lists(TaskPage), response_model=None)
    async def list_tasks(caller: Asking, service: Filter = None, node: Filter = None) -> Response:
        """All tasks, of a service, on a node."""
        return json(TaskPage(items=await tasks_of(client, caller, service, node)))

    @router.get("/tasks/{task}", tags=["tasks"], responses=gives(TaskPlace), response_model=None)
    async def get_task(task: TaskName, caller: Asking) -> Response:
        """One task: where it runs, its addresses, its routes through a proxy, and those before it at its place."""
        return json(await task_of(client, caller, task, routing))

    @router.get("/nodes", tags=["nodes"], responses=lists(NodePage), response_model=None)
    async def list_nodes() -> Response:
        """All nodes."""
        return json(NodePage(items=await client.nodes()))

    @router.get("/nodes/{name}", tags=["nodes"], responses=gives(NodeState, ETAG), response_model=None)
    async def get_node(name: Hostname) -> Response:
        """One node, by hostname or id."""
        found = await client.node(name)
        return json(found, etag(found.version))

    @router.get("/commands/{command_id}", tags=["commands"], responses=result_or_wait, response_model=None)
    async def get_command(
        command_id: CommandId,
        caller: Asking,
        wait: WaitQuery = 0,
        timeout: TimeoutQuery = SETTLING_WAIT_S,  # noqa: ASYNC109  the query's word
    ) -> Response:
        """How a command ended, also when it was refused or failed; 202: it is not finished.

        With `wait=converged` its convergence is still pending where it has not settled within `timeout`.
        """
        result = await _result(client, caller, command_id, waiting_of(wait, timeout))
        return unfinished(Unfinished(command_id=command_id)) if result is None else json(result)

    return router


async def _result(client: Client, caller: Caller, command_id: str, waits: Waiting) -> Result | None:
    """None: it waits to be done."""
    end = asyncio.get_running_loop().time() + waits.wait_s
    while True:
        result = await result_of(client, caller, command_id)
        left_s = end - asyncio.get_running_loop().time()
        if result is not None and (left_s <= 0 or waits.wait_for == "applied" or not is_pending(result)):
            return result
        if left_s <= 0:
            if await waits_for(client, caller, command_id):
                return None
            raise UnknownCommand(f"there is no command {command_id!r}, or it is longer ago than results are kept")
        await asyncio.sleep(min(left_s, LOOK_INTERVAL_S))


def gives(model: type[Value], headers: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that reads one thing."""
    return {200: {"model": model, **(headers or {})}, **READING}


def lists(model: type[Value]) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that reads all, or those that are asked for."""
    return {200: {"model": model}, **LISTING}


def json(value: Value, headers: dict[str, str] | None = None) -> Response:
    return Response(value.model_dump_json(), headers=headers, media_type="application/json")
