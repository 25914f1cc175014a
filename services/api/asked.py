"""What a request says about a command besides what is to be done; and the answer to it. Pure."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Header, Query, Response

from funswarm.commands import COMMAND_ID, Expect
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.messages import Result, ResultStatus
from funswarm.outcome import Accepted, is_pending
from funswarm.state import Value
from services.api.access import Asking, Caller
from services.api.moments import Moment
from services.api.preconditions import etag, expected
from services.api.problems import of_convergence, of_result
from services.api.settings import WAIT_S
from services.api.waiting import Waiting, waiting

SAYING_HEADERS: Final = ("idempotency-key", "traceparent", "if-match", "if-none-match")
_KEY: Final = {"pattern": f'^({COMMAND_ID.pattern}|"{COMMAND_ID.pattern}")$'}


class Unfinished(Value):
    """The command is safe and will be done, or is `applied` and its service has not settled; ask
    `/v1/commands/<id>` for its result.
    """

    command_id: str
    status: Literal["accepted", "applied"] = "accepted"


def unfinished(what: Unfinished) -> Response:
    headers = {"Location": f"/v1/commands/{what.command_id}"}
    return Response(what.model_dump_json(), 202, headers, "application/json")


async def asked(  # noqa: PLR0917  FastAPI calls it by name, and a plain function in a thread
    caller: Asking,
    expect: Annotated[Expect, Depends(expected)],
    waits: Annotated[Waiting, Depends(waiting)],
    idempotency_key: Annotated[
        str | None, Header(description="The same key does the same command once", json_schema_extra=_KEY)
    ] = None,
    traceparent: Annotated[str | None, Header(description="W3C trace context, carried on to the events")] = None,
    dry_run: Annotated[bool, Query(description="Only say what would change")] = False,
    deadline: Annotated[Moment | None, Query(description="RFC 3339; not done after it")] = None,
) -> How:
    """The parameters that every command has."""
    key = None if idempotency_key is None else idempotency_key.strip('"')
    if key is not None and not COMMAND_ID.fullmatch(key):
        raise InvalidRequest("Idempotency-Key: use 1 to 64 letters, digits, '_' and '-'")
    return How(
        key, expect, deadline, dry_run, caller.name, waits.wait_s, traceparent, waits.wait_for, caller.namespaces
    )


def unasked(caller: Caller) -> How:
    """The same of a request without any of them."""
    return How(requested_by=caller.name, wait_s=WAIT_S, namespaces=caller.namespaces)


def answer(outcome: Result | Accepted, how: How, done_status: int = 200, location: str | None = None) -> Response:
    """The result; 202 and where to ask when there is none yet; a problem when it did not succeed."""
    if isinstance(outcome, Accepted):
        return unfinished(Unfinished(command_id=outcome.command_id))
    if outcome.status is not ResultStatus.SUCCEEDED:
        return of_result(outcome)
    if how.wait_for == "converged" and is_pending(outcome):
        return unfinished(Unfinished(command_id=outcome.command_id, status="applied"))
    if how.wait_for == "converged" and outcome.convergence and outcome.convergence.status != "converged":
        return of_convergence(outcome, outcome.convergence)
    headers = ({"Location": location} if location else {}) | etag(outcome.version)
    return Response(outcome.model_dump_json(), done_status, headers, "application/json")
