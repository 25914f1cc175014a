"""The engine's event stream: hints that something happened, read on the event loop or in a thread of its own.

Only a hint, never the truth: the engine drops events silently, and Swarm tells nothing of tasks. A stream ends with the
reason, however it ends (end of the body, broken, silent for too long, not understood, too slow a reader); who reads it
then lists everything and opens another.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from urllib3 import BaseHTTPResponse

from funswarm.errors import FunswarmError, Unavailable
from services.engine.connection import plain

LINE_BYTES_MAX: Final = 1 << 20
READ_BYTES: Final = 1 << 16
HINTS_MAX: Final = 10_000
CONTAINER: Final = "container"
SERVICE_LABEL: Final = "com.docker.swarm.service.id"  # Swarm's own, on its tasks' containers

Follow = Callable[[Callable[[], None], Callable[[bytes], None]], Awaitable[None]]
_NO_EVENTS: Final = (ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Hint:
    """`action` happened to an object, says the engine; `name` as it told, often empty; `time_ns` since 1970."""

    kind: str
    action: str
    object_id: str
    name: str
    time_ns: int


class EventStream:
    """An async iterator of `Hint`s, made by `Engine.events`: what both ways to read one have.

    Ends by raising `Unavailable` with the reason; after `close` simply ends.
    """

    def __init__(self, kinds: Sequence[str], open_timeout_s: float) -> None:
        self._kinds: Final = frozenset(kinds)
        self._open_timeout_s = open_timeout_s
        self._loop: Final = asyncio.get_running_loop()
        self._hints: Final[asyncio.Queue[Hint | None]] = asyncio.Queue()
        self._opened: Final[asyncio.Future[None]] = self._loop.create_future()
        self._reason: FunswarmError | None = None
        self._closed: Final = threading.Event()

    async def opened(self) -> None:
        """Waits until the engine streams: what happens from now on is hinted.

        Raises:
            Unavailable: it does not, and the stream is closed.
        """
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await asyncio.shield(self._opened)
        except TimeoutError:
            self.close()
            raise Unavailable(f"the engine opened no event stream in {self._open_timeout_s:g} s") from None

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Hint:
        ended = self._reason is not None and self._hints.empty()
        hint = None if ended or self._closed.is_set() else await self._hints.get()
        if hint is not None and not self._closed.is_set():
            return hint
        if self._closed.is_set() or self._reason is None:
            raise StopAsyncIteration
        raise self._reason

    def close(self) -> None:
        """Ends the stream at once; safe to call twice and from any thread."""
        self._closed.set()
        self._hang_up()
        self._call(self._end, Unavailable("the event stream was closed"))

    def _hang_up(self) -> None:
        """Reads no more."""
        raise NotImplementedError

    def _call(self, call: Callable[..., object], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the event loop is closed: nobody is there to be told
            self._loop.call_soon_threadsafe(call, *arguments)

    def _open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _give(self, hints: list[Hint]) -> None:
        if self._hints.qsize() + len(hints) > HINTS_MAX:
            self._end(Unavailable(f"the engine's events come faster than they are read: over {HINTS_MAX} wait"))
            self._hang_up()
        if self._reason is not None:
            return
        for hint in hints:
            self._hints.put_nowait(hint)

    def _end(self, reason: FunswarmError) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self._hints.put_nowait(None)
        if not self._opened.done():
            self._opened.set_exception(reason)
            self._opened.exception()  # nobody has to ask for it


class LocalStream(EventStream):
    """One that is read on the event loop: at a fraction of a thread's cost for each event."""

    def __init__(self, follow: Follow, kinds: Sequence[str], open_timeout_s: float) -> None:
        """`follow` opens the stream and calls back: when it is accepted, and with what comes, until it ends."""
        super().__init__(kinds, open_timeout_s)
        self._rest = b""
        self._task: Final = self._loop.create_task(self._read(follow))

    def _hang_up(self) -> None:
        self._call(self._task.cancel)

    async def _read(self, follow: Follow) -> None:
        reason: FunswarmError = Unavailable("the engine ended its event stream")
        try:
            await follow(self._open, self._take)
        except FunswarmError as error:
            reason = error
        self._end(reason)

    def _take(self, data: bytes) -> None:
        try:
            lines, self._rest = _cut(self._rest + data)
            hints = _understood(lines, self._kinds)
        except _NO_EVENTS as error:
            self._end(_not_understood(error))
            self._hang_up()
        else:
            self._give(hints)


class ThreadedStream(EventStream):
    """One that is read in a thread."""

    def __init__(self, connect: Callable[[], BaseHTTPResponse], kinds: Sequence[str], open_timeout_s: float) -> None:
        """`connect` blocks: it opens the stream and answers when the engine has accepted it, or raises."""
        super().__init__(kinds, open_timeout_s)
        self._connect = connect
        self._response: BaseHTTPResponse | None = None
        self._lock: Final = threading.Lock()
        threading.Thread(target=self._read, name="engine-events", daemon=True).start()

    def _hang_up(self) -> None:
        """Wakes the reading thread: it finds the end of the stream and cleans up."""
        with self._lock:
            response = self._response
        if response is not None:
            with suppress(ValueError, RuntimeError, OSError):  # its connection is gone already
                response.shutdown()

    def _read(self) -> None:
        reason: FunswarmError = Unavailable("the reader of the engine's events failed")
        try:
            with self._connect() as response:
                with self._lock:
                    self._response = response
                if not self._closed.is_set():
                    self._call(self._open)
                    reason = self._read_all(response)
        except FunswarmError as error:
            reason = error
        finally:
            with self._lock:
                self._response = None
            self._call(self._end, reason)

    def _read_all(self, response: BaseHTTPResponse) -> FunswarmError:
        """Reads to the end, and why it ended."""
        rest = b""
        try:
            while data := response.read1(READ_BYTES):
                lines, rest = _cut(rest + data)
                if hints := _understood(lines, self._kinds):
                    self._call(self._give, hints)
        except _NO_EVENTS as error:
            return _not_understood(error)
        except urllib3.exceptions.ReadTimeoutError:
            return Unavailable("the engine's event stream was silent for too long")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Unavailable(f"the engine's event stream broke: {plain(error)}")
        return Unavailable("the engine ended its event stream")


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and the rest.

    Raises:
        ValueError: a line is longer than `LINE_BYTES_MAX`.
    """
    *lines, rest = data.split(b"\n")
    if len(rest) > LINE_BYTES_MAX:
        raise ValueError(f"a line of more than {LINE_BYTES_MAX} bytes")
    return lines, rest


def _understood(lines: Iterable[bytes], kinds: frozenset[str]) -> list[Hint]:
    return [hint for line in lines if (hint := understood_hint(line, kinds)) is not None]


def _not_understood(error: Exception) -> Unavailable:
    return Unavailable(f"the engine's event stream is not understood: {error}")


def understood_hint(line: bytes, kinds: frozenset[str]) -> Hint | None:
    """The hint in a line of the stream; None for an empty line and for other kinds of objects.

    A container's hint names its service: containers of no service are none of Swarm's.

    Engines of API ≥ 1.52 leave out `id`, `status` and `from`: only `Type`, `Action` and `Actor` are read.

    Raises:
        ValueError: the line is no event.
    """
    if not line.strip():
        return None
    raw = json.loads(line)
    actor = raw.get("Actor") if isinstance(raw, dict) else None
    object_id = actor.get("ID") if isinstance(actor, dict) else None
    if not isinstance(actor, dict) or not object_id:
        raise ValueError(f"no event: {line[:200].decode(errors='replace')}")
    if raw.get("Type") not in kinds:
        return None
    attributes = actor.get("Attributes") or {}
    if raw["Type"] == CONTAINER:
        object_id = attributes.get(SERVICE_LABEL)
    if not object_id:
        return None
    return Hint(
        kind=raw["Type"],
        action=str(raw.get("Action") or ""),
        object_id=str(object_id),
        name=str(attributes.get("name") or ""),
        time_ns=int(raw.get("timeNano") or 0),
    )
