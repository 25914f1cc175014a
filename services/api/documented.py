"""What the OpenAPI document says of every route alike. Pure."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from services.api.access import role_needed
from services.api.problems import MEDIA_TYPE

DESCRIPTION: Final = """\
Commands are answered when they have been applied, or with `?wait=converged` when their service has settled; 202 says
where to ask for what takes longer. The same `Idempotency-Key` does the same command once. Errors are problem documents
(RFC 9457): `code` is for programs, `detail` for people.
"""
TAGS: Final = [
    {"name": "services", "description": "The Swarm's services, and the commands that change them"},
    {"name": "tasks", "description": "What runs where"},
    {"name": "nodes", "description": "The Swarm's nodes, and whether they take tasks"},
    {"name": "commands", "description": "How commands ended, and several at once"},
    {"name": "schedules", "description": "Commands to be done later, or again and again"},
    {"name": "policies", "description": "What Funswarm does of itself with a service, and keeping it from that"},
    {"name": "events", "description": "Every change as it happens"},
    {"name": "proxies", "description": "What reverse proxies are told of the Swarm"},
    {"name": "waking", "description": "Services that run while somebody asks for them, by Sablier's routes"},
    {
        "name": "dead letters",
        "description": "Commands and webhooks' events that could not be done, with their originals",
    },
    {"name": "webhooks", "description": "Who is told of events over HTTP"},
    {"name": "original", "description": "The two routes of the proof of concept"},
    {"name": "operating", "description": "Whether it lives, whether it works, and its figures"},
]


class Problem(BaseModel):
    """RFC 9457. `code` is for programs; `errors` has the place of each fault; `result` is that of the command."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str | None = None
    errors: list[dict[str, str]] = []
    command_id: str | None = None
    result: dict[str, Any] | None = None


def header(description: str, *, required: bool = True) -> dict[str, Any]:
    """One header of an answer."""
    return {"description": description, "required": required, "schema": {"type": "string"}}


ETAG: Final = {"headers": {"ETag": header("Its version, for If-Match", required=False)}}
LOCATION: Final = {"headers": {"Location": header("Where to ask for it")}}


def _is(description: str, **headers: dict[str, Any]) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


UNAVAILABLE: Final[dict[int | str, dict[str, Any]]] = {
    503: _is("NATS or a part is away, or this server is busy", **{"Retry-After": header("Seconds")})
}
GONE: Final[dict[int | str, dict[str, Any]]] = {410: _is("What follows that sequence is gone: begin anew")}
LISTING: Final[dict[int | str, dict[str, Any]]] = {
    400: _is("A parameter is wrong"),
    403: _is("This server is not known by that Host"),
    **UNAVAILABLE,
}
READING: Final[dict[int | str, dict[str, Any]]] = {**LISTING, 404: _is("There is no such thing")}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _is("The request is wrong; `errors` says where"),
    403: _is("Refused by admission, or a page of another site asks for this"),
    404: _is("There is no such service, node or schedule"),
    409: _is(
        "Refused: name taken, rollout in progress, wrong mode, deadline passed, another command of this key; "
        "with `wait=converged` also where the service has not converged"
    ),
    412: _is("What was expected does not hold"),
    413: _is("The body is over 1 MiB"),
    415: _is("The body is not said to be JSON"),
    422: _is("The engine would not"),
    **UNAVAILABLE,
}


def described(document: dict[str, Any], *, secured: bool) -> dict[str, Any]:
    """FastAPI's document, made true. `secured`: tokens are asked for.

    FastAPI has its own form of validation errors, where ours is Problem; and it calls parameters that may be left out
    nullable, where no parameter can be null.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if secured:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["summary"] = operation["summary"].capitalize()  # FastAPI writes Them So
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _not_null(parameter["schema"])
            if secured and (role := role_needed(method.upper(), path)) is not None:
                operation["security"] = [{"token": []}]
                operation["responses"] |= _denials(role)
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    return document


def _denials(role: str) -> dict[str, Any]:
    """The answers to who may not."""
    return {
        "401": _is("A known token is needed", **{"WWW-Authenticate": header("The scheme, Bearer")}),
        "403": _is(
            f"The token has not the role {role}, or other namespaces; refused by admission; or a page of another site "
            "asks"
        ),
    }


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    only: dict[str, Any] = kinds[0]
    return {key: value for key, value in schema.items() if key != "anyOf"} | only
