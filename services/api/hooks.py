"""The routes for webhooks: who is told of events over HTTP. The notifier answers; secrets never come out."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Response
from pydantic import ValidationError

from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.hooks import NAME, Delivered, Hook, HookPage, HookPlan, HookStatus
from services.api.documented import PROBLEMS, READING
from services.api.queries import gives, json, lists

Name = Annotated[str, Path(pattern=NAME, description="The webhook's name", examples=["alerts"])]
Put = Annotated[
    HookPlan,
    Body(examples=[{"url": "https://example.com/events", "kinds": ["service"], "actions": ["stalled", "converged"]}]),
]
CHANGES: Final = {**gives(HookStatus), **PROBLEMS}


def routes(client: Client) -> APIRouter:
    """/v1/hooks."""
    router = APIRouter(prefix="/v1/hooks", tags=["webhooks"])

    @router.get("", responses=lists(HookPage), response_model=None)
    async def list_webhooks() -> Response:
        """All webhooks, and how they do."""
        return json(HookPage(items=await client.hooks()))

    @router.get("/{name}", responses=gives(HookStatus), response_model=None)
    async def get_webhook(name: Name) -> Response:
        """A webhook, and how it does. `***` stands for what is secret."""
        return json(await client.hook(name))

    @router.put("/{name}", responses=CHANGES, summary="Put a webhook, or another in its place", response_model=None)
    async def put_webhook(name: Name, plan: Put) -> Response:
        """A new one is told of events from now on; a changed one goes on where it was. `***` keeps a secret."""
        try:
            hook = Hook.model_validate({"name": name, **plan.model_dump()})
        except ValidationError as error:
            raise InvalidRequest(explain(error)) from error
        return json(await client.put_hook(hook))

    @router.delete("/{name}", responses={**READING, **PROBLEMS}, status_code=204, response_model=None)
    async def remove_webhook(name: Name) -> Response:
        """Remove a webhook, with all that it was to be told still."""
        await client.remove_hook(name)
        return Response(status_code=204)

    @router.post("/{name}/pause", responses=CHANGES, response_model=None)
    async def pause_webhook(name: Name) -> Response:
        """Send nothing until it is resumed."""
        return json(await client.pause_hook(name))

    @router.post("/{name}/resume", responses=CHANGES, response_model=None)
    async def resume_webhook(name: Name) -> Response:
        """Go on where it was paused."""
        return json(await client.pause_hook(name, paused=False))

    @router.post("/{name}/test", responses={**gives(Delivered), **PROBLEMS}, response_model=None)
    async def test_webhook(name: Name) -> Response:
        """Send an event of the type `funswarm.test`, once; the answer says how that went."""
        return json(await client.test_hook(name))

    return router
