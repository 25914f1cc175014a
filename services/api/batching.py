"""The route that takes several commands at once."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Response
from pydantic import Field

from funswarm.client import Client
from funswarm.commands import BATCH_MAX, BatchItem
from funswarm.state import Value
from services.api.access import Asking, check_verbs
from services.api.asked import answer
from services.api.commands import ANSWERS, Asked

BATCH: Final = "batch"


class Batch(Value):
    """Commands that are all checked before the first is done. `name`: of your choice, for the record."""

    name: str = Field(BATCH, min_length=1, max_length=128)
    commands: Annotated[tuple[BatchItem, ...], Field(min_length=1, max_length=BATCH_MAX)]


Asks = Annotated[
    Batch,
    Body(
        examples=[
            {
                "commands": [
                    {
                        "name": "db",
                        "command": {
                            "verb": "create",
                            "target": "db",
                            "service": {"name": "db", "image": "postgres:18"},
                        },
                        "wait": "converged",
                    },
                    {"name": "web", "command": {"verb": "restart", "target": "web"}, "depends_on": ["db"]},
                ]
            }
        ]
    ),
]


def routes(client: Client) -> APIRouter:
    """POST /v1/batch."""
    router = APIRouter(prefix="/v1", tags=["commands"])

    @router.post("/batch", responses=ANSWERS, summary="Do several commands, all checked before", response_model=None)
    async def do_batch(asked: Asks, caller: Asking, how: Asked) -> Response:
        check_verbs(caller, (item.command.get("verb") for item in asked.commands))
        return answer(await client.batch(asked.commands, asked.name, how=how), how)

    return router
