"""HTTP to an engine on a unix socket, on the event loop itself: for the calls that a command waits for. I/O.

Through a thread and urllib3 a call costs three times as much of our processor time, and an event that is streamed five
times. Everything else (TCP, TLS, SSH, full lists) goes through `connection`, and so does agreeing on the API's version.
httptools parses (uvicorn's, too).
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar, cast

import httptools

from funswarm.errors import Failed, FunswarmError, Unavailable
from services.engine.connection import CONNECT_TIMEOUT_S, Answer, Request, away
from services.engine.settings import EngineSettings

PAUSE_S: Final = 0.01  # after what came of a stream: in a burst its events come together

L = TypeVar("L", bound="_Line")


class Local:
    """Asks the engine at the socket `path`, at most `settings.threads` questions at once: further ones wait their turn.

    Raises what `connection.Connection` does.
    """

    def __init__(self, path: str, settings: EngineSettings) -> None:
        self._path = path
        self._settings = settings
        self._free = asyncio.Semaphore(settings.threads)
        self._lines: set[_Line] = set()
        self._idle: list[_Line] = []
        self._closed = False

    async def ask(self, request: Request) -> Answer:
        """One request and its whole answer; `timeout_s` bounds it in whole. A cancelled one may have its effect yet."""
        message = _message(request)
        try:
            async with self._free, asyncio.timeout(request.timeout_s):
                line = await self._line()
                try:
                    answer = await line.ask(message, request.what)
                finally:
                    self._done_with(line)
        except TimeoutError:
            raise away(self._settings, TimeoutError()) from None
        except OSError as error:
            raise away(self._settings, error) from error
        return answer

    async def follow(self, request: Request, accepted: Callable[[], None], take: Callable[[bytes], None]) -> Answer:
        """A request whose answer comes bit by bit, at most `timeout_s` apart: `accepted` if it is a good one, then
        `take` with each bit. Returns at its end, or with a refusal.
        """
        try:
            line = await self._connected(_Stream(self._settings.body_max_bytes, accepted, take, request.timeout_s))
            try:
                return await line.ask(_message(request), request.what)
            finally:
                line.hang_up()
                self._lines.discard(line)
        except OSError as error:
            raise away(self._settings, error) from error

    def close(self) -> None:
        """No further calls; the open ones fail."""
        self._closed = True
        for line in set(self._lines):
            line.hang_up()

    async def _line(self) -> "_Line":
        if self._closed:
            raise Unavailable("the connection to the engine was closed")
        while self._idle:
            if (line := self._idle.pop()).is_free:  # the engine may have hung up
                return line
            self._done_with(line)
        return await self._connected(_Line(self._settings.body_max_bytes))

    async def _connected(self, line: L) -> L:
        if self._closed:
            raise Unavailable("the connection to the engine was closed")
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().create_unix_connection(lambda: line, self._path)
        self._lines.add(line)
        return line

    def _done_with(self, line: "_Line") -> None:
        if line.is_free and not self._closed:
            self._idle.append(line)
        else:
            line.hang_up()
            self._lines.discard(line)


class _Line(asyncio.Protocol):
    """One connection: one question at a time. `is_free`: it can take one."""

    def __init__(self, body_max_bytes: int) -> None:
        self._body_max_bytes: Final = body_max_bytes
        self._transport: asyncio.Transport | None = None
        self._ends = False  # the engine wants no further question on it
        self._answer: asyncio.Future[Answer] | None = None  # of the open question
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._size = 0
        self._what = ""

    @property
    def is_free(self) -> bool:
        return self._answer is None and self._transport is not None and not self._ends

    async def ask(self, message: bytes, what: str) -> Answer:
        """The answer to a whole HTTP request.

        Raises:
            ConnectionError: the line broke.
            Unavailable, Failed: what came is no answer, or too large.
        """
        if self._transport is None:
            raise ConnectionResetError("the engine hung up")
        self._parser, self._parts, self._size, self._what = httptools.HttpResponseParser(self), [], 0, what
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        answer = await self._answer  # where that does not end well, the line is hung up
        self._answer = None
        return answer

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._transport = None
        self._fail(ConnectionResetError("the connection was closed"))

    # asyncio calls:
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # an answer to nothing: what comes next could not be trusted
            self.hang_up()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Unavailable(f"{self._what}: what answers does not speak HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or ConnectionResetError("the connection was cut off in the middle"))

    # httptools calls:
    def on_body(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._body_max_bytes:
            self._fail(Failed(f"{self._what}: the engine's answer is larger than {self._body_max_bytes} bytes"))

    def on_message_complete(self) -> None:
        self._ends = not self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._parts)))

    def _fail(self, error: FunswarmError | Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class _Stream(_Line):
    """One connection, for one answer that comes bit by bit."""

    def __init__(
        self, body_max_bytes: int, accepted: Callable[[], None], take: Callable[[bytes], None], idle_max_s: float
    ) -> None:
        super().__init__(body_max_bytes)
        self._accepted = accepted
        self._take = take
        self._idle_max_s = idle_max_s
        self._is_good = False
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait_for_more()

    def data_received(self, data: bytes) -> None:
        self._wait_for_more()
        super().data_received(data)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(PAUSE_S, self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._is_good = self._parser.get_status_code() < 300
        if self._is_good:
            self._accepted()

    def on_body(self, part: bytes) -> None:
        if self._is_good:
            self._take(part)
        else:
            super().on_body(part)

    def _wait_for_more(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_max_s, self._silent)

    def _silent(self) -> None:
        self._fail(Unavailable(f"{self._what}: the engine was silent for too long"))

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _message(request: Request) -> bytes:
    """The request as HTTP has it.

    Raises:
        ValueError: a header has a line break.
    """
    content = request.content
    headers = {"Host": "localhost", "User-Agent": "funswarm", **request.headers}
    if content is not None:
        headers["Content-Type"] = "application/json"
    if content is not None or request.method != "GET":
        headers["Content-Length"] = str(len(content or b""))
    head = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in head):
        raise ValueError(f"{request.what}: a line break in a header")
    return "\r\n".join([*head, "", ""]).encode() + (content or b"")
