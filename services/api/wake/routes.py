"""Sablier's HTTP routes: dynamic, blocking, poke, and the themes. Thin: sessions by `Opened`, state by `Followed`."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from funswarm.client import Client
from funswarm.errors import FunswarmError, Unavailable
from services.api.access import Asking, Caller
from services.api.documented import LISTING, READING, header
from services.api.followed import Followed
from services.api.problems import MEDIA_TYPE, of_error, of_validation, problem
from services.api.wake.asked import Asked
from services.api.wake.opened import Opened
from services.api.wake.page import HEADERS, THEMES, waiting_page
from services.api.wake.sleepers import Seen, Sleeper, Sleepers, absent, seen, sleepers_of
from services.api.world import World

STATUS_HEADER: Final = "X-Sablier-Session-Status"
BLOCKED_MAX: Final = 128
LOOK_S: Final = 0.5  # what settles by time alone, and a client that has gone, are seen so often
PAUSE_S: Final = 0.05  # between two looks, where much changes
JSON: Final = "application/json"
_TOLD: Final = {"headers": {STATUS_HEADER: header("`ready` or `not-ready`")}}
_LATE: Final = {"description": "It is not ready yet; `instances` says why", "content": {MEDIA_TYPE: {}}, **_TOLD}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "How they are", "content": {JSON: {"schema": {"type": "object"}}}, **_TOLD},
    **READING,
}
_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page that waits, and asks again", "content": {"text/html": {}}, **_TOLD},
    **READING,
}
_THEMES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Their names", "content": {JSON: {"schema": {"type": "object"}}}},
    **LISTING,
}

Wanted = Annotated[Asked, Query()]
Way = Callable[[Request], Coroutine[Any, Any, Response]]


class _Strategy(APIRoute):
    """Whatever the answer is, it says whether the request may go on to the service."""

    def get_route_handler(self) -> Way:
        whole = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                answer = await whole(request)
            except RequestValidationError as error:
                answer = of_validation(error)
            except FunswarmError as error:
                answer = of_error(error)
            except _NotFound as missing:
                answer = missing.answer
            answer.headers.setdefault(STATUS_HEADER, "not-ready")
            return answer

        return handle


class _NotFound(Exception):
    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class Waking:
    """What the strategies share. `stopping`: no request is to be waited with any more."""

    def __init__(self, client: Client, followed: Followed, stopping: asyncio.Event) -> None:
        self._followed = followed
        self._stopping = stopping
        self._opened = Opened(client)
        self._blocked = 0
        self._sleepers: tuple[int, Sleepers] | None = None

    async def poke(self, asked: Asked, caller: Caller) -> list[Seen]:
        """Open the sessions; how they are now.

        Raises:
            FunswarmError: the Swarm is not known, or NATS is away.
            _NotFound: there is no such group or service.
        """
        world = await self._followed.world()
        return await self._open(world, asked, caller)

    async def block(self, asked: Asked, caller: Caller, request: Request) -> list[Seen]:
        """As `poke`, when they are ready, or the time is up."""
        if self._blocked >= BLOCKED_MAX:
            raise Unavailable(f"{self._blocked} requests are waiting here already: try again later")
        self._blocked += 1
        try:
            return await self._wait(asked, caller, request)
        finally:
            self._blocked -= 1

    async def _wait(self, asked: Asked, caller: Caller, request: Request) -> list[Seen]:
        clock = asyncio.get_running_loop().time
        end = clock() + asked.timeout_s
        while True:
            world = await self._followed.world()
            found = await self._open(world, asked, caller)  # a session may be shorter than what is waited
            left_s = end - clock()
            if is_ready(found) or left_s <= 0 or await request.is_disconnected():
                return found
            if self._stopping.is_set():
                raise Unavailable("this server is stopping: ask again")
            await asyncio.sleep(min(PAUSE_S, left_s))
            with suppress(TimeoutError):
                await self._followed.after(world.revision, min(LOOK_S, left_s))

    async def _open(self, world: World, asked: Asked, caller: Caller) -> list[Seen]:
        sleepers = self._of(world)
        wanted = asked.wanted if asked.group is None else _group(sleepers, asked.group, caller)
        seen_by = {name: one for name, one in sleepers.by_name.items() if name in wanted and caller.sees(one.service)}
        for name, required in wanted.items():
            if required and name not in seen_by:
                raise _NotFound(_no_service(name))
        away: Unavailable | None = None
        try:
            await self._opened.open(seen_by, asked.session_s)
        except Unavailable as error:
            away = error
        found = [self._seen(world, seen_by.get(name), name, required=one) for name, one in sorted(wanted.items())]
        if away is not None and not is_ready(found):  # what runs is served: without NATS nobody idles it
            raise away
        return found

    def _seen(self, world: World, sleeper: Sleeper | None, name: str, *, required: bool) -> Seen:
        if sleeper is None:
            return absent(name)
        was_ready = self._opened.was_ready(name)
        found = seen(world, sleeper, datetime.now(UTC), required=required, was_ready=was_ready)
        self._opened.saw(name, ready=found.ready)
        return found

    def _of(self, world: World) -> Sleepers:
        if self._sleepers is None or self._sleepers[0] != world.revision:
            self._sleepers = (world.revision, sleepers_of(world.services.values()))
        return self._sleepers[1]


def is_ready(found: Sequence[Seen]) -> bool:
    """Whether all that are waited for are."""
    return all(one.ready for one in found if one.required)


def strategies(client: Client, followed: Followed, stopping: asyncio.Event) -> APIRouter:
    """/api/strategies."""
    waking = Waking(client, followed, stopping)
    router = APIRouter(prefix="/api/strategies", tags=["waking"], route_class=_Strategy)

    @router.get("/dynamic", responses=_PAGE, response_model=None)
    async def wake_and_show(asked: Wanted, caller: Asking) -> Response:
        """Wake services, and show a page that waits for them."""
        if asked.theme is not None and asked.theme not in THEMES:
            raise _NotFound(_no_theme(asked.theme))
        found = await waking.poke(asked, caller)
        page = waiting_page(asked.display_name or asked.group, asked.refresh_s, found if asked.details else None)
        headers = {STATUS_HEADER: _status(found), **HEADERS}
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")

    @router.get("/blocking", responses=_ANSWERS | {504: _LATE}, response_model=None)
    async def wake_and_wait(asked: Wanted, caller: Asking, request: Request) -> Response:
        """Wake services, and answer when they are ready; 504: they were not within `timeout`."""
        found = await waking.block(asked, caller, request)
        return _session(found, [one.told() for one in found]) if is_ready(found) else _late(asked, found)

    @router.get("/poke", responses=_ANSWERS, response_model=None)
    async def wake(asked: Wanted, caller: Asking) -> Response:
        """Wake services, and say at once how they are."""
        found = await waking.poke(asked, caller)
        return _session(found, {one.name: one.told() for one in found})

    return router


def themes() -> APIRouter:
    """/api/themes."""
    router = APIRouter(prefix="/api", tags=["waking"])

    @router.get("/themes", responses=_THEMES, response_model=None)
    @router.get("/dynamic/themes", responses=_THEMES, response_model=None, name="list_dynamic_themes")
    async def list_themes() -> Response:
        """The names that `theme` may have; all of them are the same page."""
        return Response(json.dumps({"themes": list(THEMES)}), media_type=JSON)

    return router


def _group(sleepers: Sleepers, group: str, caller: Caller) -> dict[str, bool]:
    """Those of a group that the caller sees, all waited for."""
    groups = {
        one: [name for name in names if caller.sees(sleepers.by_name[name].service)]
        for one, names in sleepers.groups.items()
    }
    if not groups.get(group):
        there = sorted(one for one, names in groups.items() if names)
        why = f"no service says that it belongs to the group {group!r}: label it funswarm.wake.group={group}"
        raise _NotFound(problem(404, why, "group-not-found", availableGroups=there, requestGroup=group, error=why))
    return dict.fromkeys(groups[group], True)


def _no_service(name: str) -> Response:
    why = f"no service {name!r} has opted in to be woken: is it there, replicated, and has funswarm.wake.enable=true?"
    return problem(404, why, "instance-not-found", requestInstance=name, error=why)


def _no_theme(theme: str) -> Response:
    why = f"there is no theme {theme!r}"
    return problem(404, why, "theme-not-found", availableTheme=list(THEMES), requestTheme=theme, error=why)


def _late(asked: Asked, found: Sequence[Seen]) -> Response:
    reasons = {one.name: one.why_not for one in found if one.required and not one.ready}
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    detail = f"not ready after {asked.timeout_s:g} s: {why}"
    return problem(504, detail, "timeout", {STATUS_HEADER: "not-ready"}, instances=reasons)


def _session(found: Sequence[Seen], instances: Any) -> Response:
    status = _status(found)
    body = json.dumps({"session": {"instances": instances, "status": status}})
    return Response(body, headers={STATUS_HEADER: status, "Cache-Control": "no-store"}, media_type=JSON)


def _status(found: Sequence[Seen]) -> str:
    return "ready" if is_ready(found) else "not-ready"
