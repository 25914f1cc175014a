"""The HTTP API of docker-flow-swarm-listener, on each copy. I/O: uvicorn; the answers come from the `Listener`.

Any method will do, as there. Before all is known it answers 503: an empty list would be taken for the truth.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from funswarm.errors import Failed, FunswarmError
from funswarm.messages import Code
from services.notifier.docker_flow.news import Parameters, as_json

BASE: Final = "/v1/docker-flow-swarm-listener"
JSON: Final = "application/json"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
CONNECTIONS_MAX: Final = 200
DRAIN_TIMEOUT_S: Final = 5

Answer = Callable[[Request], Awaitable[Response]]


class Asked(Protocol):
    """What answers. None: not all is known yet."""

    async def services(self) -> list[Parameters] | None:
        """The creations of all services that run."""

    async def nodes(self) -> list[Parameters] | None:
        """The creations of all nodes."""

    async def notify_all(self) -> None:
        """Tell all receivers of all services again, soon.

        Raises:
            FunswarmError: it cannot be had now.
        """

    def metrics(self) -> str:
        """In Prometheus' text format."""

    def error(self, operation: str) -> None:
        """Something could not be answered."""


def build(asked: Asked) -> Starlette:
    """The application."""

    async def ping(_: Request) -> Response:
        return _json({"Status": "OK"})

    async def notify_services(_: Request) -> Response:
        try:
            await asked.notify_all()
        except FunswarmError as error:
            asked.error("serveNotifyServices")
            return _json({"Status": "NOK", "Message": str(error)}, 503)
        return _json({"Status": "OK"})

    async def get_services(_: Request) -> Response:
        return _listed(await asked.services(), "serveGetServices")

    async def get_nodes(_: Request) -> Response:
        return _listed(await asked.nodes(), "serveGetNodes")

    async def metrics(_: Request) -> Response:
        return Response(asked.metrics(), media_type=PROMETHEUS)

    def _listed(found: list[Parameters] | None, operation: str) -> Response:
        if found is None:
            asked.error(operation)
            return _json([], 503)
        return _json(found)

    answers: dict[str, Answer] = {
        f"{BASE}/ping": ping,
        f"{BASE}/notify-services": notify_services,
        f"{BASE}/get-services": get_services,
        f"{BASE}/get-nodes": get_nodes,
        "/metrics": metrics,
    }
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(routes=[Route(path, answer, methods=methods) for path, answer in answers.items()])


def listen(port: int) -> socket.socket:
    """
    Raises:
        Failed: the port cannot be listened on.
    """
    try:
        return socket.create_server(("", port), backlog=256)
    except OSError as error:
        raise Failed(
            f"cannot listen on port {port}: {error}; choose another FUNSWARM_DOCKER_FLOW_PORT", Code.INTERNAL
        ) from error


async def serve(app: Starlette, listening: socket.socket) -> None:
    """Serve until cancelled; what is being answered is then let end."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None, log_level="warning",
        server_header=False, timeout_graceful_shutdown=DRAIN_TIMEOUT_S, limit_concurrency=CONNECTIONS_MAX,
    )  # fmt: skip
    server = _Server(config)
    with listening:
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait({serving})


class _Server(uvicorn.Server):
    """Leaves the signals to services.runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _json(value: object, status: int = 200) -> Response:
    return Response(as_json(value), status, media_type=JSON)
