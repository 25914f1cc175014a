"""The HTTP interface, put together: thin routes over the SDK's Client, around them one guard. No I/O of its own."""

import asyncio
import operator

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from funswarm.client import Client
from funswarm.errors import FunswarmError
from funswarm.messages import Code
from services.api import (
    batching,
    commands,
    croning,
    events,
    hooks,
    node_commands,
    operating,
    original,
    past,
    policies,
    queries,
    scaling,
    schedules,
)
from services.api.access import Access
from services.api.documentation import add_documentation
from services.api.documented import DESCRIPTION, TAGS, described
from services.api.figures import Figures
from services.api.guard import Guard, acts_by_get
from services.api.parameters import refusing_unknown
from services.api.problems import of_error, of_validation, problem
from services.api.proxies import Proxies
from services.api.proxies import routes as proxy_routes
from services.api.settings import ApiSettings
from services.api.wake.routes import strategies, themes

_log = structlog.get_logger()


def build(
    client: Client, settings: ApiSettings, figures: Figures, stopping: asyncio.Event, instance: str, *, proxies: Proxies
) -> Guard:
    """The application. `stopping` ends the streams of events; `instance` labels the figures.

    Raises:
        Failed: the file of the tokens cannot be used.
    """
    access = Access(settings.tokens_file)
    figures.tells_of_tokens(lambda: access.trouble() is not None)
    app = FastAPI(
        title="Funswarm",
        version=operating.VERSION,
        summary="Every change of a Docker Swarm, and commands that are done exactly once",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        generate_unique_id_function=operator.attrgetter("name"),
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the figures are our own; it costs each request
    )
    routers = (
        original.routes(client, settings),
        commands.routes(client),
        batching.routes(client),
        node_commands.routes(client),
        schedules.routes(client),
        queries.routes(client, settings.tasks),
        policies.routes(client),
        croning.routes(client),
        scaling.routes(client),
        past.routes(client),
        hooks.routes(client),
        events.routes(client, settings, figures, stopping),
        proxy_routes(proxies),
        strategies(client, proxies.followed, stopping),
        themes(),
    )
    for router in routers:
        app.include_router(router, dependencies=[Depends(refusing_unknown(app))])
    app.include_router(operating.routes(client, figures, instance))
    app.add_exception_handler(FunswarmError, _on_funswarm)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_fault)
    _document(app, secured=settings.tokens_file is not None)
    add_documentation(app)
    return Guard(app, figures, access, settings.hosts, simulator=settings.simulator)


async def _on_funswarm(_: Request, error: Exception) -> Response:
    assert isinstance(error, FunswarmError)
    return of_error(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail, headers = error.detail, dict(error.headers or {})
    if error.status_code == 404:
        detail = f"there is no {request.url.path} here: see /docs"
    elif error.status_code == 405:
        headers["Allow"] = _allowed(request) or headers.get("Allow", "")
        detail = f"{request.method} is not for {request.url.path}: use {headers['Allow']}"
    code = Code.MALFORMED.value if error.status_code == 400 else None  # a body that even its parser gave up on
    return problem(error.status_code, detail, code, headers)


def _allowed(request: Request) -> str:
    """All methods of this path: the router names those of its first route only. HEAD is where GET changes nothing."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = {method.upper() for method in request.app.openapi()["paths"].get(path, ())}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods and not acts_by_get(path) else set())))


async def _on_fault(request: Request, error: Exception) -> Response:
    _log.error("a fault in Funswarm itself", path=request.url.path, exc_info=error)
    return problem(500, "a fault in Funswarm itself: its log says more", "internal")


def _document(app: FastAPI, *, secured: bool) -> None:
    made = FastAPI.openapi

    def openapi() -> dict[str, object]:
        return made(app) if app.openapi_schema else described(made(app), secured=secured)

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
