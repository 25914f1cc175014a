"""Errors as RFC 9457 problem documents: what, where, and the way out. Pure.

`code` is the same word as in results on NATS; `errors` has a JSON pointer for each fault of a body.
"""

import json
import math
from http import HTTPStatus
from typing import Any, Final

from fastapi import Response
from fastapi.exceptions import RequestValidationError

from funswarm.errors import FunswarmError, Relist, TemporaryError
from funswarm.explain import place, worded
from funswarm.messages import Code, Convergence, Result
from funswarm.spec import ServicePatch, ServiceSpec

MEDIA_TYPE: Final = "application/problem+json"
STATUSES: Final = {
    Code.INVALID: 400,
    Code.MALFORMED: 400,
    Code.UNKNOWN_SERVICE: 404,
    Code.UNKNOWN_NODE: 404,
    Code.UNKNOWN_SCHEDULE: 404,
    Code.UNKNOWN_COMMAND: 404,
    Code.UNKNOWN_DEAD_LETTER: 404,
    Code.UNKNOWN_HOOK: 404,
    Code.NAME_TAKEN: 409,
    Code.WRONG_MODE: 409,
    Code.ROLLOUT: 409,
    Code.NO_PREVIOUS_SPEC: 409,
    Code.EXPECTATION: 412,
    Code.DEADLINE: 409,
    Code.CONFLICT: 409,
    Code.ADMISSION: 403,
    Code.FORBIDDEN: 403,
    Code.REFUSED_BY_RECEIVER: 409,
    Code.NOT_CONVERGED: 409,
    Code.DEPENDENCY: 409,
    Code.ENGINE: 422,  # the engine understood it, and would not
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}
_FIELDS_MAX: Final = 20
_LINES_MAX: Final = 5
_KNOWN_FIELDS: Final = (*ServiceSpec.model_fields, *ServicePatch.model_fields)


def problem(
    status: int,
    detail: str,
    code: str | None = None,
    headers: dict[str, str] | None = None,
    **members: Any,  # RFC 9457's extension members
) -> Response:
    """A problem document. `code`: None for what HTTP's status says already."""
    title = HTTPStatus(status).phrase
    body = {"type": f"urn:funswarm:problem:{code}" if code else "about:blank", "title": title, "status": status}
    body |= {"detail": detail} | ({"code": code} if code else {}) | members
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def of_error(error: FunswarmError) -> Response:
    """What the SDK raised. Relist is 410 Gone: the reader begins anew, without a Last-Event-ID."""
    if isinstance(error, Relist):
        way_out = "begin anew, without Last-Event-ID and since: with a snapshot"
        return problem(410, f"{error}: {way_out}", "gone")
    headers = {"Retry-After": str(max(1, math.ceil(error.delay_s)))} if isinstance(error, TemporaryError) else None
    return problem(STATUSES[error.code], str(error), error.code.value, headers)


def of_result(result: Result) -> Response:
    """A command that was refused or failed."""
    code = result.code or Code.INTERNAL
    detail = result.reason or f"{result.verb} {result.target}: {result.status.value}"
    headers = {"Retry-After": "1"} if code is Code.UNAVAILABLE else None
    return problem(
        STATUSES[code], detail, code.value, headers,
        command_id=result.command_id, result=result.model_dump(mode="json"),
    )  # fmt: skip


def of_convergence(result: Result, convergence: Convergence) -> Response:
    """A command that was applied, and whose service has not become what was wanted."""
    detail = f"applied, but {convergence.status.value}: {convergence.reason}"
    return problem(
        409, detail, Code.NOT_CONVERGED.value, command_id=result.command_id, result=result.model_dump(mode="json"),
    )  # fmt: skip


def of_validation(error: RequestValidationError) -> Response:
    """A body, query or header that is wrong: each fault with its place."""
    faults = error.errors()
    errors = [_fault(fault, error.body) for fault in faults[:_FIELDS_MAX]]
    detail = "; ".join(_line(fault) for fault in errors[:_LINES_MAX])
    code = Code.MALFORMED if any(fault["type"] == "json_invalid" for fault in faults) else Code.INVALID
    return problem(400, detail, code.value, errors=errors)


def _fault(fault: dict[str, Any], body: object) -> dict[str, str]:
    where, *path = place(fault["loc"])
    what = worded(fault, _KNOWN_FIELDS)
    if fault["type"] == "json_invalid":
        why = fault.get("ctx", {}).get("error", what)
        return {"pointer": "", "detail": f"this is no JSON: {why} (character {path[0]})"}
    if where == "body":
        if fault["type"] == "missing" and not path:
            what = "a JSON object is needed as body"
        return {"pointer": _pointer(path, body, missing=fault["type"] == "missing"), "detail": what}
    return {"parameter": ".".join(str(part) for part in path), "in": str(where), "detail": what}


def _pointer(path: list[Any], body: Any, *, missing: bool) -> str:
    """RFC 6901, into the body as it was given: a short form has no parts, and the kind of a command is none.

    `missing`: the last part is not there.
    """
    parts = []
    for number, part in enumerate(path, 1):
        if (isinstance(body, dict) and part in body) or (isinstance(body, list) and isinstance(part, int)):
            body = body[part]
        elif not (missing and number == len(path)):
            continue
        parts.append(str(part))
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def _line(fault: dict[str, str]) -> str:
    where = fault.get("pointer") or fault.get("parameter")
    return f"{where}: {fault['detail']}" if where else fault["detail"]
