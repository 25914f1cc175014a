"""The feed of changes over HTTP: Server-Sent Events for browsers, lines of JSON for programs.

An ASGI answer of our own: a stream must notice at once that its reader is gone, drop one that does not read, and end
with the process.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from funswarm.client import Client
from funswarm.errors import FunswarmError, InvalidRequest, Refused, Unavailable
from funswarm.messages import Code
from services.api.access import Asking, still_admitted
from services.api.documented import GONE, LISTING
from services.api.figures import Figures
from services.api.frames import ndjson, ndjson_alive, ndjson_failed, sse, sse_alive, sse_failed
from services.api.seen import Feed, feed_of
from services.api.settings import ApiSettings

SEND_TIMEOUT_S: Final = 30.0  # a reader that takes nothing for so long is dropped; it can resume by sequence
RETRY: Final = b"retry: 1000\n\n"
NDJSON: Final = "application/x-ndjson"
SSE: Final = "text/event-stream"

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Endless; lines of JSON where Accept asks for them", "content": {SSE: {}, NDJSON: {}}},
    **GONE,
    **LISTING,
}

Names = Annotated[list[str] | None, Query(max_length=50, description="Repeat it, or join by commas")]
Since = Annotated[str | None, Query(max_length=64, description="A sequence, an RFC 3339 time, or how long ago: 10m")]
LastEventId = Annotated[
    str | None,
    Header(max_length=64, description="Go on after this sequence", json_schema_extra={"pattern": r"^[0-9]{0,18}$"}),
]


def routes(client: Client, settings: ApiSettings, figures: Figures, stopping: asyncio.Event) -> APIRouter:
    """GET /v1/events."""
    router = APIRouter(prefix="/v1", tags=["events"])

    @router.get("/events", responses=ANSWERS, response_class=Response, response_model=None)
    async def read_events(  # noqa: PLR0917  FastAPI calls it by name
        request: Request,
        caller: Asking,
        kinds: Names = None,
        names: Names = None,
        actions: Names = None,
        since: Since = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        """A snapshot of what there is, then every change; with `since` or Last-Event-ID the changes from there on."""
        if figures.open_streams >= settings.streams_max:
            raise Unavailable(f"{settings.streams_max} streams of events are open here: try again later", delay_s=10)
        if last_event_id and not (last_event_id.isascii() and last_event_id.isdecimal()):
            raise InvalidRequest(f"Last-Event-ID {last_event_id!r} is no sequence of the stream")
        changes = client.changes(
            kinds=_split(kinds), names=_split(names), actions=_split(actions), since=last_event_id or since
        )
        feed = feed_of(changes, client, caller)
        try:
            await feed.open()
        except BaseException:
            await feed.aclose()
            raise
        return EventStream(
            feed,
            settings.keep_alive_s,
            figures,
            stopping,
            lines="json" in request.headers.get("accept", ""),
            admitted=still_admitted(request),
        )

    return router


class EventStream(Response):
    """The endless body. It ends with its reader, when `stopping` is set, and when who reads is `admitted` no more."""

    def __init__(
        self,
        feed: Feed,
        keep_alive_s: float,
        figures: Figures,
        stopping: asyncio.Event,
        *,
        lines: bool,
        admitted: Callable[[], bool],
    ) -> None:
        media_type = NDJSON if lines else SSE
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, media_type=media_type)
        del self.headers["content-length"]
        self._feed = feed
        self._keep_alive_s = keep_alive_s
        self._figures = figures
        self._stopping = stopping
        self._lines = lines
        self._admitted = admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's
        ends = {
            asyncio.ensure_future(_until_gone(receive)),
            asyncio.ensure_future(self._stopping.wait()),
            asyncio.ensure_future(self._pump(send)),
        }
        self._figures.open_streams += 1
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._figures.open_streams -= 1
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
            await self._feed.aclose()
        with contextlib.suppress(TimeoutError):
            await _send(send, b"", more=False)

    async def _pump(self, send: Send) -> None:
        """Until the reader takes nothing any more, or the feed cannot go on."""
        frame, alive, failed = (ndjson, ndjson_alive, ndjson_failed) if self._lines else (sse, sse_alive, sse_failed)
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with contextlib.suppress(TimeoutError):
            await _send(send, b"" if self._lines else RETRY)
            try:
                while True:
                    item = await self._feed.next(self._keep_alive_s)
                    if not self._admitted():
                        raise Refused("the token was taken away or changed", Code.FORBIDDEN)
                    await _send(send, alive(self._feed.sequence) if item is None else frame(item))
            except FunswarmError as error:
                await _send(send, failed(str(error)))


def _split(given: list[str] | None) -> list[str]:
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
