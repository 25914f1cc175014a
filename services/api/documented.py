"""What the OpenAPI document says of every route alike. Pure."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from services.api.problems import MEDIA_TYPE


class Problem(BaseModel):
    """RFC 9457. `code` is for programs; `errors` has the place of each fault."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str | None = None
    errors: list[dict[str, str]] = []


def _is(description: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def denials(role: str) -> dict[str, Any]:
    """The answers to who may not."""
    return {
        "401": _is("A known token is needed"),
        "403": _is(f"The token has not the role {role}, or other namespaces; or a page of another site asks"),
    }


UNAVAILABLE: Final[dict[int | str, dict[str, Any]]] = {503: _is("NATS or a part is away: try again after Retry-After")}
GONE: Final[dict[int | str, dict[str, Any]]] = {410: _is("What follows that sequence is gone: begin anew")}
READING: Final[dict[int | str, dict[str, Any]]] = {
    400: _is("A parameter is wrong"),
    404: _is("There is no such thing"),
    **UNAVAILABLE,
}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _is("The request is wrong; `errors` says where"),
    403: _is("A page of another site asks for this"),
    404: _is("There is no such service or node"),
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
