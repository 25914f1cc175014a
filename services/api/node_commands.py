"""The routes that change nodes: each hands one command to the SDK's Client."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from funswarm.client import Client
from services.api.asked import answer
from services.api.commands import ANSWERS, Asked

Name = Annotated[
    str, Path(min_length=1, max_length=128, description="The node's hostname, or its id", examples=["node-1"])
]


def routes(client: Client) -> APIRouter:
    """All commands for nodes."""
    router = APIRouter(prefix="/v1/nodes", tags=["nodes"])

    @router.post("/{name}/pause", responses=ANSWERS, summary="Give a node no new tasks", response_model=None)
    async def pause_node(name: Name, how: Asked) -> Response:
        return answer(await client.pause(name, how=how), how)

    @router.post("/{name}/drain", responses=ANSWERS, summary="Take all tasks from a node", response_model=None)
    async def drain_node(name: Name, how: Asked, graceful: bool = False) -> Response:
        return answer(await client.drain(name, graceful=graceful, how=how), how)

    @router.post("/{name}/activate", responses=ANSWERS, summary="Give a node tasks again", response_model=None)
    async def activate_node(name: Name, how: Asked) -> Response:
        return answer(await client.activate(name, how=how), how)

    return router
