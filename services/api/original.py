"""The two routes that the proof of concept had, with the same meaning: /health and /create."""

from collections.abc import Collection
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import ValidationError

from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.how import How
from funswarm.messages import Code, Health
from funswarm.outcome import Accepted
from funswarm.spec import REPLICAS_MAX, Image, ServiceName, ServiceSpec
from services.api.access import Asking, Caller
from services.api.commands import CREATED, Asked, Spec, created
from services.api.seen import health_of, result_of
from services.api.settings import ApiSettings

NAMES_TRIED_MAX: Final = 20


def routes(client: Client, settings: ApiSettings) -> APIRouter:
    """GET /health, GET and POST /create."""
    router = APIRouter(tags=["original"])
    unwell: dict[int | str, dict[str, Any]] = {
        200: {"model": Health},
        503: {"model": Health, "description": "Not well; `reasons` says why"},
    }

    @router.get("/health", responses=unwell, summary="How all is, and which services run", response_model=None)
    async def get_health(caller: Asking) -> Response:
        found = await health_of(client, caller)
        return Response(found.model_dump_json(), 200 if found.ok else 503, media_type="application/json")

    @router.get("/create", status_code=201, responses=CREATED, summary="Create one by a link", response_model=None)
    async def create_by_get(
        caller: Asking,
        how: Asked,
        name: Annotated[ServiceName | None, Query(description="Left out: the next free `service-<number>`")] = None,
        image: Annotated[Image | None, Query(description="Left out: nginx, or as the setting says")] = None,
        replicas: Annotated[int | None, Query(ge=0, le=REPLICAS_MAX)] = None,
    ) -> Response:
        given = {"name": name, "image": image, "replicas": replicas}
        spec = _spec(settings.default_service, {key: value for key, value in given.items() if value is not None})
        if name is None:
            return await _create_numbered(client, caller, spec, how)
        return created(await client.create(spec, how=how), spec.name, how)

    @router.post("/create", status_code=201, responses=CREATED, summary="Create a service", response_model=None)
    async def create(spec: Spec, how: Asked) -> Response:
        return created(await client.create(spec, how=how), spec.name, how)

    return router


async def _create_numbered(client: Client, caller: Caller, template: ServiceSpec, how: How) -> Response:
    """The first free number; the next one where somebody else was faster. A repeated key has its first answer.

    Who is bound to namespaces gets a name of their first one.
    """
    if how.id is not None and (result := await result_of(client, caller, how.id)) is not None:
        return created(result, result.target, how)
    base = "_".join((*caller.namespaces[:1], template.name))
    taken = {service.name for service in await client.summaries()}
    for _ in range(NAMES_TRIED_MAX):
        spec = template.model_copy(update={"name": free_name(base, taken)})
        outcome = await client.create(spec, how=how)
        if isinstance(outcome, Accepted) or outcome.code is not Code.NAME_TAKEN or how.id is not None:
            break
        taken.add(spec.name)
    return created(outcome, spec.name, how)


def free_name(base: str, taken: Collection[str]) -> str:
    """`base-1`, or the first number that is not taken."""
    number = 1
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


def _spec(template: ServiceSpec, given: dict[str, object]) -> ServiceSpec:
    try:
        return ServiceSpec.model_validate(template.model_dump(exclude_unset=True) | given)
    except ValidationError as error:
        raise InvalidRequest(explain(error, ServiceSpec)) from error
