"""The routes for what policies do with a service: what they decided and why, and holds."""

from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Body, Query, Response
from pydantic import AwareDatetime, Field, model_validator

from funswarm.client import Client
from funswarm.decisions import DecisionPage
from funswarm.holds import Hold, hold_for
from funswarm.policing import DECISIONS_MAX
from funswarm.state import Value
from funswarm.units import Duration
from services.api.access import Asking
from services.api.documented import PROBLEMS
from services.api.queries import Name, gives, json
from services.api.seen import service_of

POLICY: Final = r"^[a-z][a-z-]{0,31}$"
PolicyName = Annotated[str | None, Query(pattern=POLICY, description="Of one policy; none: of all")]


class HoldAsked(Value):
    """How long policies are to leave the service alone: one of `lasts` and `until`. `policy` none: all of them."""

    lasts: Duration | None = None
    until: AwareDatetime | None = None
    policy: str | None = Field(None, pattern=POLICY)
    reason: str | None = Field(None, max_length=500)

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.lasts is None) == (self.until is None):
            raise ValueError("give exactly one of lasts and until")
        return self


class HoldPage(Value):
    """The holds of a service."""

    items: tuple[Hold, ...]


Asked = Annotated[HoldAsked, Body(examples=[{"lasts": "1h", "reason": "we look at it"}])]
READS: Final[dict[int | str, dict[str, Any]]] = gives(DecisionPage)
WRITES: Final[dict[int | str, dict[str, Any]]] = {**gives(Hold), **PROBLEMS}
RELEASES: Final[dict[int | str, dict[str, Any]]] = {**gives(HoldPage), **PROBLEMS}


def routes(client: Client) -> APIRouter:
    """/v1/services/{name}/decisions and /hold."""
    router = APIRouter(prefix="/v1/services/{name}", tags=["policies"])

    @router.get("/decisions", responses=READS, response_model=None)
    async def list_decisions(
        name: Name, caller: Asking, policy: PolicyName = None, limit: Annotated[int, Query(ge=1, le=DECISIONS_MAX)] = 20
    ) -> Response:
        """What policies decided about a service, and why: the newest first."""
        service = await service_of(client, caller, name)
        return json(await client.decisions(service.name, policy=policy, limit=limit))

    @router.get("/hold", responses=gives(HoldPage), response_model=None)
    async def list_holds(name: Name, caller: Asking) -> Response:
        """The holds of a service."""
        service = await service_of(client, caller, name)
        return json(HoldPage(items=await client.holds(service.name)))

    @router.put("/hold", responses=WRITES, summary="Have policies leave a service alone", response_model=None)
    async def put_hold(name: Name, asked: Asked, caller: Asking) -> Response:
        """For a while; in the place of an earlier hold of the same policy. What one has begun it brings to an end."""
        service = await service_of(client, caller, name)
        until = asked.until or hold_for(asked.lasts or 0)
        hold = Hold(service=service.name, policy=asked.policy, until=until, reason=asked.reason, by=caller.name)
        return json(await client.hold(hold))

    @router.delete("/hold", responses=RELEASES, summary="End the holds of a service", response_model=None)
    async def release_hold(name: Name, caller: Asking, policy: PolicyName = None) -> Response:
        """Of one policy where it is named, else all; those that were ended."""
        service = await service_of(client, caller, name)
        return json(HoldPage(items=await client.release(service.name, policy)))

    return router
