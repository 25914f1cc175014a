"""The routes for schedules: commands that are to be done later, or again and again."""

from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from funswarm.client import Client
from funswarm.commands import BatchCommand, Command
from funswarm.errors import InvalidRequest, UnknownSchedule
from funswarm.explain import explain
from funswarm.schedules import NAME, Cancelled, Plan, Schedule, Scheduled
from funswarm.state import Value
from services.api.access import Asking, Caller, check_verbs
from services.api.documented import PROBLEMS
from services.api.queries import gives, lists
from services.redaction import redacted_command

Name = Annotated[str, Path(pattern=NAME, description="The schedule's name", examples=["nightly"])]
Put = Annotated[
    Plan,
    Body(
        examples=[
            {
                "command": {"verb": "scale", "target": "web", "replicas": 1},
                "cron": "0 22 * * *",
                "time_zone": "Europe/Berlin",
            }
        ]
    ),
]
GIVES: Final = {**gives(Scheduled), **PROBLEMS}


class ScheduledPage(Value):
    """All schedules, by name."""

    items: tuple[Scheduled, ...]


def routes(client: Client) -> APIRouter:
    """/v1/schedules."""
    router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

    async def cancellable(name: str, caller: Caller) -> None:
        """Refuse who may not do what is scheduled."""
        scheduled = await client.scheduled(name, namespaces=caller.namespaces)
        check_verbs(caller, _verbs(scheduled.schedule.command))

    @router.get("", responses=lists(ScheduledPage), response_model=None)
    async def list_schedules(caller: Asking) -> Response:
        """All schedules that are to fire still. Environments and the like are left out of their commands."""
        found = await client.schedules(namespaces=caller.namespaces)
        return JSONResponse({"items": [_shown(one) for one in found]})

    @router.get("/{name}", responses=gives(Scheduled), response_model=None)
    async def get_schedule(name: Name, caller: Asking) -> Response:
        """A schedule, when it is due next, and how its last firing ended."""
        return JSONResponse(_shown(await client.scheduled(name, namespaces=caller.namespaces)))

    @router.put("/{name}", responses=GIVES, summary="Put a schedule, or another in its place", response_model=None)
    async def put_schedule(name: Name, plan: Put, caller: Asking) -> Response:
        check_verbs(caller, _verbs(plan.command))  # what is for admins when it is done at once is so later, too
        try:
            asked = Schedule.model_validate({"name": name, **plan.model_dump()})
        except ValidationError as error:
            raise InvalidRequest(explain(error)) from error
        with suppress(UnknownSchedule):  # what is replaced is cancelled, too
            await cancellable(name, caller)
        scheduled = await client.schedule(asked, requested_by=caller.name, namespaces=caller.namespaces)
        return JSONResponse(_shown(scheduled))

    @router.delete("/{name}", responses={**gives(Cancelled), **PROBLEMS}, response_model=None)
    async def cancel_schedule(name: Name, caller: Asking) -> Response:
        """Cancel a schedule: once this is answered it does not fire any more. `underway`: one that did before."""
        await cancellable(name, caller)
        return JSONResponse((await client.cancel(name, namespaces=caller.namespaces)).model_dump(mode="json"))

    return router


def _verbs(command: Command) -> tuple[Any, ...]:
    """What it comes to: of a batch, the verbs of its commands."""
    if isinstance(command, BatchCommand):
        return tuple(item.command.get("verb") for item in command.commands)
    return (command.verb,)


def _shown(scheduled: Scheduled) -> dict[str, Any]:
    """Without what may be secret in its command: who may put schedules may not read what others put into theirs."""
    shown = scheduled.model_dump(mode="json")
    schedule = shown["schedule"]
    return {**shown, "schedule": {**schedule, "command": redacted_command(schedule["command"])}}
