"""The routes about what was asked and what could not be done: the history, and dead letters."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from funswarm.client import Client
from funswarm.dead import KeptLetter, LetterPage
from funswarm.errors import Failed
from funswarm.hooks import Delivered
from funswarm.how import How
from funswarm.messages import Code, Result
from funswarm.outcome import Accepted
from funswarm.records import CommandPage, RecordStatus
from services.api.access import Asking
from services.api.asked import answer
from services.api.commands import ANSWERS
from services.api.documented import READING
from services.api.moments import Moment
from services.api.queries import gives, json, lists
from services.api.seen import commands_shown
from services.api.waiting import Waiting, waiting

Text = Annotated[str | None, Query(min_length=1, max_length=256)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Sequence = Annotated[int, Path(ge=1, lt=2**63, description="The letter's place in the stream", examples=[1])]

REPLAYED: Final = {**ANSWERS, 200: {"model": Result | Delivered}}
AFTER: Final = {"pattern": "^p?[0-9]{1,18}$"}


def routes(client: Client) -> APIRouter:
    """/v1/commands and /v1/dead."""
    router = APIRouter(prefix="/v1")

    @router.get("/commands", tags=["commands"], responses=lists(CommandPage), response_model=None)
    async def list_commands(  # noqa: PLR0917  FastAPI calls it by name
        caller: Asking,
        target: Text = None,
        verb: Text = None,
        status: RecordStatus | None = None,
        requested_by: Text = None,
        since: Annotated[Moment | None, Query(description="RFC 3339, not in the future")] = None,
        limit: Limit = 100,
        after: Annotated[
            str | None, Query(max_length=32, description="The `next` of the page before", json_schema_extra=AFTER)
        ] = None,
    ) -> Response:
        """What was asked of the Swarm, newest first: what waits (`pending`), then what ended."""
        shown = await commands_shown(client, caller)
        page = await client.commands(
            target=target, verb=verb, status=status, requested_by=requested_by, since=since, limit=limit, after=after,
            shown=shown,
        )  # fmt: skip
        return json(page)

    @router.get("/dead", tags=["dead letters"], responses=lists(LetterPage), response_model=None)
    async def list_dead_letters(
        limit: Limit = 100,
        after: Annotated[int | None, Query(ge=0, lt=2**63, description="The `next` of the page before")] = None,
    ) -> Response:
        """What could not be done, newest first, with the originals."""
        return json(await client.dead_letters(limit=limit, after=after))

    @router.get("/dead/{sequence}", tags=["dead letters"], responses=gives(KeptLetter), response_model=None)
    async def get_dead_letter(sequence: Sequence) -> Response:
        """One dead letter."""
        return json(await client.dead_letter(sequence))

    @router.post("/dead/{sequence}/replay", tags=["dead letters"], responses=REPLAYED, response_model=None)
    async def replay_dead_letter(
        sequence: Sequence, caller: Asking, waits: Annotated[Waiting, Depends(waiting)]
    ) -> Response:
        """Send its command again under a new id; the letter is dropped. Repeating this does nothing twice.

        Of a webhook: send its event again, once; the letter is dropped if it is taken.
        """
        how = How(requested_by=caller.name, wait_s=waits.wait_s, wait_for=waits.wait_for)
        return _replayed(await client.replay(sequence, how=how), how)

    @router.delete("/dead/{sequence}", tags=["dead letters"], responses=READING, status_code=204, response_model=None)
    async def drop_dead_letter(sequence: Sequence, caller: Asking) -> Response:
        """Take a dead letter away for good."""
        await client.drop(sequence, requested_by=caller.name)
        return Response(status_code=204)

    return router


def _replayed(outcome: Result | Accepted | Delivered, how: How) -> Response:
    if not isinstance(outcome, Delivered):
        return answer(outcome, how)
    if not outcome.ok:
        raise Failed(f"the letter stays: {outcome.reason}", Code.REFUSED_BY_RECEIVER)
    return json(outcome)
