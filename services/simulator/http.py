"""HTTP/1.1 for the simulated engine: requests off a connection, answers and streams onto it, with faults as set.

I/O: asyncio streams, with h11 as the protocol. Down to the bytes, as faults need that: half a body, no JSON.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from services.simulator.faults import Faults
from services.simulator.model import ApiError
from services.simulator.render import encode

BODY_BYTES_MAX = 16 << 20
_CHUNK_BYTES = 256 << 10
_GARBAGE = b'\x00<html>{"this is": no JSON'


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `query` holds the last value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty object.

        Raises:
            ApiError: it is none (400).
        """
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError(400, f"invalid JSON: {error}") from error
        if not isinstance(value, dict):
            raise ApiError(400, "invalid JSON: json: cannot unmarshal into Go value of an object")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: `body` in pieces, so that a large one is never copied together; or a `stream` without an end."""

    status: int = 200
    body: Sequence[bytes] = ()
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def answer(value: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(status, [encode(value), b"\n"])


def refusal(error: ApiError) -> Response:
    """An error, as dockerd words it."""
    return answer({"message": error.message}, error.status)


App = Callable[[Request], Awaitable[Response]]


class Connection:
    """One client's connection, from its first request to its end."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        app: App,
        faults: Callable[[], Faults],
        chance: random.Random,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._app, self._faults, self._chance = app, faults, chance
        self._protocol = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Answer request after request until either side ends it."""
        try:
            while (request := await self._receive()) is not None:
                await self._answer(request)
                if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
                    break
                self._protocol.start_next_cycle()
        except (ConnectionError, h11.ProtocolError):
            pass  # the client went away, or does not speak HTTP: nobody to tell
        finally:
            self._writer.close()

    def abort(self) -> None:
        """Cut the connection, as a daemon that dies does."""
        self._writer.transport.abort()

    async def _receive(self) -> Request | None:
        """The next request; None when the client is done."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                if self._protocol.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._protocol.receive_data(await self._reader.read(_CHUNK_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_BYTES_MAX:
                    raise ConnectionAbortedError("request body too large")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                url = urlsplit(head.target.decode("ascii"))
                query = dict(parse_qsl(url.query, keep_blank_values=True))
                return Request(head.method.decode("ascii"), unquote(url.path), query, bytes(body))
            else:
                return None

    async def _answer(self, request: Request) -> None:
        """Do what is asked, and tell; wherever a fault is set, tell it wrongly."""
        faults = Faults() if request.path.startswith("/simulator") else self._faults()
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if self._hits(faults.error_share):
            response = refusal(ApiError(500, "simulated fault: the engine failed"))
        else:
            response = await self._app(request)
        if response.stream is not None:
            await self._send_stream(response, response.stream)
        elif self._hits(faults.half_share):
            await self._send_half(response)
        elif self._hits(faults.garbage_share):
            await self._send_whole(Response(response.status, [_GARBAGE]), request.method)
        else:
            await self._send_whole(response, request.method)

    def _hits(self, share: float) -> bool:
        return share > 0 and self._chance.random() < share

    def _head(self, response: Response, length: int | None) -> h11.Response:
        headers = {"Content-Type": response.content_type, **response.headers}
        # After a stream the connection is closed: said, so that no client asks the next question on it.
        stream = {"Transfer-Encoding": "chunked", "Connection": "close"}
        headers |= stream if length is None else {"Content-Length": str(length)}
        return h11.Response(status_code=response.status, headers=list(headers.items()))

    async def _send_whole(self, response: Response, method: str) -> None:
        length = sum(map(len, response.body))
        await self._send(self._head(response, length))
        if method != "HEAD":
            for piece in _pieces(response.body):
                await self._send(h11.Data(data=piece))
        await self._send(h11.EndOfMessage())

    async def _send_half(self, response: Response) -> None:
        body = b"".join(response.body)
        await self._send(self._head(response, max(len(body), 2)))
        await self._send(h11.Data(data=body[: len(body) // 2]))
        raise ConnectionAbortedError("half a body was asked for")

    async def _send_stream(self, response: Response, stream: AsyncIterator[bytes]) -> None:
        """Send pieces as they come, until the stream ends or the client goes away."""
        await self._send(self._head(response, None))
        sending = asyncio.ensure_future(self._pump(stream))
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        raise ConnectionAbortedError("the stream has ended")

    async def _pump(self, stream: AsyncIterator[bytes]) -> None:
        async for piece in stream:
            await self._send(h11.Data(data=piece))
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        data = self._protocol.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _pieces(body: Sequence[bytes]) -> list[bytes]:
    """The body in chunks of a good size: many small parts joined, for few writes."""
    pieces, held, size = [], list[bytes](), 0
    for part in body:
        held.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            pieces.append(b"".join(held))
            held, size = [], 0
    return [*pieces, b"".join(held)] if held else pieces
