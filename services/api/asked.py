"""What a request says about a command besides what is to be done; and the answer to it. Pure."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Query, Response

from funswarm.commands import COMMAND_ID, Expect
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.messages import Result, ResultStatus
from funswarm.outcome import Accepted
from funswarm.state import Value
from services.api.access import Asking
from services.api.preconditions import etag, expected
from services.api.problems import of_result
from services.api.settings import WAIT_MAX_S, WAIT_S


class Unfinished(Value):
    """The command is safe and will be done; ask `/v1/commands/<id>` for its result."""

    command_id: str
    status: str = "accepted"


async def asked(  # noqa: PLR0917  FastAPI calls it by name, and a plain function in a thread
    caller: Asking,
    expect: Annotated[Expect, Depends(expected)],
    idempotency_key: Annotated[str | None, Header(description="The same key does the same command once")] = None,
    traceparent: Annotated[str | None, Header(description="W3C trace context, carried on to the events")] = None,
    wait: Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait for the result, else 202")] = WAIT_S,
    dry_run: Annotated[bool, Query(description="Only say what would change")] = False,
    deadline: Annotated[datetime | None, Query(description="RFC 3339; not done after it")] = None,
) -> How:
    """The parameters that every command has."""
    if deadline is not None and deadline.tzinfo is None:
        raise InvalidRequest("deadline: without a time zone it is no moment: add Z, or an offset as +01:00")
    key = None if idempotency_key is None else idempotency_key.strip('"')
    if key is not None and not COMMAND_ID.fullmatch(key):
        raise InvalidRequest("Idempotency-Key: use 1 to 64 letters, digits, '_' and '-'")
    return How(
        key, expect, deadline, dry_run, caller.name, wait_s=wait, traceparent=traceparent, namespaces=caller.namespaces
    )


def answer(outcome: Result | Accepted, done_status: int = 200, location: str | None = None) -> Response:
    """The result; 202 and where to ask when there is none yet; a problem when it did not succeed."""
    if isinstance(outcome, Accepted):
        body = Unfinished(command_id=outcome.command_id).model_dump_json()
        return Response(body, 202, {"Location": f"/v1/commands/{outcome.command_id}"}, "application/json")
    if outcome.status is not ResultStatus.SUCCEEDED:
        return of_result(outcome)
    headers = ({"Location": location} if location else {}) | etag(outcome.version)
    return Response(outcome.model_dump_json(), done_status, headers, "application/json")
