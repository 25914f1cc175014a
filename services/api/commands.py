"""The routes that change services: each hands one command to the SDK's Client."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from pydantic import Field

from funswarm.client import Client
from funswarm.how import How
from funswarm.messages import Result
from funswarm.outcome import Accepted
from funswarm.spec import REPLICAS_MAX, ServicePatch, ServiceSpec
from funswarm.state import Value
from services.api.asked import Unfinished, answer, asked
from services.api.documented import ETAG, LOCATION, PROBLEMS
from services.api.quick import BodyRoute

Name = Annotated[str, Path(min_length=1, max_length=128, description="The service's name, or its id", examples=["web"])]
Asked = Annotated[How, Depends(asked)]
Force = Annotated[bool, Query(description="Also in the middle of a rollout, which ends its way back")]

RunReplicas = Annotated[
    int | None, Query(ge=0, le=REPLICAS_MAX, description="How many tasks; default: as many as it has, at least one")
]

Spec = Annotated[
    ServiceSpec,
    Body(
        examples=[{"name": "web", "image": "nginx:1.29", "replicas": 2, "ports": ["8080:80"], "env": {"LEVEL": "info"}}]
    ),
]
Changes = Annotated[ServicePatch, Body(examples=[{"image": "nginx:1.30", "env": {"LEVEL": None}}])]

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": Result, **ETAG},
    202: {"model": Unfinished, "description": "Accepted and not finished: ask at Location", **LOCATION},
    **PROBLEMS,
}
CREATED: Final[dict[int | str, dict[str, Any]]] = {201: {"model": Result, **LOCATION}, **ANSWERS}


class Scale(Value):
    """How many replicas there shall be."""

    replicas: int = Field(ge=0, le=REPLICAS_MAX, strict=True, examples=[3])


def routes(client: Client) -> APIRouter:
    """All commands but GET /create."""
    router = APIRouter(prefix="/v1/services", tags=["services"])

    async def create_service(spec: Spec, how: Asked) -> Response:
        return created(await client.create(spec, how=how), spec.name, how)

    router.add_api_route(
        "", create_service, methods=["POST"], status_code=201, responses=CREATED, summary="Create a service",
        response_model=None, route_class_override=BodyRoute,
    )  # fmt: skip

    @router.patch("/{name}", responses=ANSWERS, summary="Change fields of a service", response_model=None)
    async def update_service(name: Name, changes: Changes, how: Asked, force: Force = False) -> Response:
        return answer(await client.update(name, changes, force=force, how=how), how)

    @router.post("/{name}/scale", responses=ANSWERS, summary="Set the replicas", response_model=None)
    async def scale_service(name: Name, wanted: Scale, how: Asked, force: Force = False) -> Response:
        return answer(await client.scale(name, wanted.replicas, force=force, how=how), how)

    @router.post("/{name}/rebalance", responses=ANSWERS, summary="Spread its tasks evenly", response_model=None)
    async def rebalance_service(name: Name, how: Asked) -> Response:
        return answer(await client.rebalance(name, how=how), how)

    @router.post("/{name}/restart", responses=ANSWERS, summary="Replace all tasks", response_model=None)
    async def restart_service(name: Name, how: Asked, force: Force = False) -> Response:
        return answer(await client.restart(name, force=force, how=how), how)

    @router.post("/{name}/rollback", responses=ANSWERS, summary="Go back to the previous spec", response_model=None)
    async def rollback_service(name: Name, how: Asked) -> Response:
        return answer(await client.rollback(name, how=how), how)

    @router.post("/{name}/run", responses=ANSWERS, summary="Run a job, or what ends, once more", response_model=None)
    async def run_service(name: Name, how: Asked, replicas: RunReplicas = None, force: Force = False) -> Response:
        return answer(await client.run(name, replicas, force=force, how=how), how)

    @router.delete("/{name}", responses=ANSWERS, summary="Remove the service", response_model=None)
    async def remove_service(name: Name, how: Asked) -> Response:
        return answer(await client.remove(name, how=how), how)

    return router


def created(outcome: Result | Accepted, name: str, how: How) -> Response:
    """201 with the place of the service; 200 for a dry run."""
    return answer(outcome, how) if how.dry_run else answer(outcome, how, 201, f"/v1/services/{name}")
