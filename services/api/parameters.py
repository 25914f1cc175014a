"""Query parameters that a route does not have are refused: `?replica=5` would otherwise create one replica. Pure."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request

from funswarm.errors import InvalidRequest
from funswarm.explain import did_you_mean

Parameters = dict[tuple[str, str], frozenset[str]]  # (path, method) -> names


def refusing_unknown(app: FastAPI) -> Callable[[Request], Awaitable[None]]:
    """What a route depends on to have them refused. The application's own document says which there are."""
    known: Parameters = {}

    async def refuse_unknown(request: Request) -> None:
        if not request.scope["query_string"]:
            return
        if not known:
            known.update(_parameters(app.openapi()))
        path, method = request.scope["route"].path, "GET" if request.method == "HEAD" else request.method
        names = known.get((path, method), frozenset())
        for name in request.query_params:
            if name not in names:
                raise InvalidRequest(f"unknown parameter {name[:100]!r}{did_you_mean(name, names)}{_which(names)}")

    return refuse_unknown


def _parameters(document: dict[str, Any]) -> Parameters:
    return {
        (path, method.upper()): frozenset(
            parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _which(names: frozenset[str]) -> str:
    return f" (there are {', '.join(sorted(names))})" if names else " (there are none)"
