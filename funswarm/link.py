"""One connection to NATS: asking, subscribing, and saying clearly why not. I/O; of the package's modules the one with
nats-py's connection in it.

What nats-py leaves to its user is done here (each seen with 2.16): connecting ends at a bound although reconnecting
goes on for ever; a question fails at once when the connection is lost or a permission is missing, instead of timing
out; nothing is published into the buffer of a lost connection; close() ends also while NATS is away. Its flush(timeout)
is never used: a PONG after the time-out kills the read loop of a client that goes on looking connected.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable
from typing import Final

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from funswarm.access import Access
from funswarm.answering import wait_for_answer
from funswarm.errors import PermanentError, Unavailable
from funswarm.inbox import Inbox, subscribe_straight
from funswarm.nats_client import NatsClient

CONNECT_TIMEOUT_S: Final = 5.0
RECONNECT_PATIENCE_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 2.0
_DENIED = re.compile(r'permissions violation for (\w+) to "([^"]+)"')
_DENIALS_MAX: Final = 100


class NobodyAnswers(Unavailable):
    """Nobody listens on the subject: the part is not running, or it has another prefix."""


class Link:
    """A connection that is opened when it is first needed and reconnects for ever. `epoch` counts its losses."""

    def __init__(self, access: Access) -> None:
        self.epoch = 0
        self._access = access
        self._connection: Nats | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closed = False
        self._last_error: str | None = None
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}  # reply token -> (subject, answer)
        self._denied: dict[str, str] = {}  # subject in lower case -> what was denied
        self._asked = 0
        self._replies = ""
        self._available = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.is_connected

    @property
    def body_bytes_max(self) -> int:
        """What the connected server takes in one message."""
        return self._connection.max_payload if self._connection is not None else 1024 * 1024

    async def open(self) -> None:
        """Connects, where that is not done; or waits a moment for nats-py to reconnect.

        Raises:
            Unavailable: NATS is not reached; with the last error.
            PermanentError: this link was closed.
        """
        if self.connected:
            return
        if self._closed:
            raise PermanentError("the client is closed: make a new one")
        if self._connection is None or self._connection.is_closed:
            await self._open_together()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_PATIENCE_S):
                await self._available.wait()
        if not self.connected:
            raise self._away()

    async def request(self, subject: str, body: bytes, timeout_s: float, headers: dict[str, str] | None = None) -> Msg:
        """One question, one answer.

        Raises:
            NobodyAnswers: nobody listens there.
            Unavailable: NATS is away, the connection was lost meanwhile, or no answer came within `timeout_s`.
            PermanentError: NATS does not permit it.
        """
        await self.open()
        self._asked += 1
        token = str(self._asked)
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject, answer)
        try:
            await self._publish(subject, body, self._replies + token, headers)
            message = await wait_for_answer(answer, timeout_s)
        except TimeoutError as error:
            self._check_permitted(self._replies + "*")
            raise Unavailable(f"no answer on {subject} within {timeout_s:g} s") from error
        finally:
            self._waiting.pop(token, None)
        if message.headers and message.headers.get("Status") == "503":
            raise NobodyAnswers(f"nobody answers on {subject} at {self._access.place}")
        return message

    async def gather(
        self, subject: str, body: bytes, timeout_s: float, enough: Callable[[list[Msg]], bool], stall_s: float = 0.05
    ) -> list[Msg]:
        """All answers to one question: until none came for `stall_s` since they were `enough`, at most `timeout_s`.

        Raises:
            Unavailable, PermanentError: as `request`; that nobody answers is an empty list.
        """
        inbox = await self.subscribe(self.new_inbox())
        answers: list[Msg] = []
        try:
            await self._publish(subject, body, inbox.subject, None)
            end = asyncio.get_running_loop().time() + timeout_s
            while (left_s := end - asyncio.get_running_loop().time()) > 0:
                message = await inbox.next(min(stall_s, left_s) if enough(answers) else left_s)
                if message is None or (message.headers and message.headers.get("Status") == "503"):
                    break
                answers.append(message)
        finally:
            await inbox.close()
        self._check_permitted(subject)
        return answers

    async def subscribe(self, subject: str) -> Inbox:
        """The messages on `subject` from now on.

        Raises:
            Unavailable: NATS is away.
            PermanentError: NATS was seen not to permit it.
        """
        await self.open()
        self._check_permitted(subject)
        inbox = Inbox(subject)
        try:
            await inbox.open(self._live())
        except (nats.errors.Error, OSError) as error:
            raise self._away() from error
        return inbox

    def new_inbox(self) -> str:
        """A subject of our own."""
        return f"{self._access.inbox_prefix}.{secrets.token_hex(11)}"

    async def reply(self, subject: str) -> None:
        """An empty message, as flow control wants it; lost with the connection."""
        with contextlib.suppress(nats.errors.Error, OSError):
            await self._live().publish(subject)

    async def close(self) -> None:
        """Ends the connection and all that nats-py has running for it, within seconds."""
        self._closed = True
        connection, self._connection = self._connection, None
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait({self._opening})
            connection, self._connection = connection or self._connection, None
        self._fail_waiting(Unavailable("the client was closed"))
        if connection is not None:
            await _end(connection)

    async def _open_together(self) -> None:
        """One attempt for all who ask meanwhile."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )  # seen, if by nobody else
        await asyncio.shield(self._opening)

    async def _connect(self) -> None:
        connection = NatsClient()
        failed = asyncio.Event()

        async def on_error(error: Exception) -> None:
            self._on_error(error)
            if not isinstance(error, ConnectionResetError):  # a reset can swallow NATS' reason: it is asked again
                failed.set()

        connecting = asyncio.ensure_future(
            connection.connect(
                error_cb=on_error, disconnected_cb=self._on_lost, reconnected_cb=self._on_back, **self._access.options()
            )
        )
        failing = asyncio.ensure_future(self._all_servers_failed(failed))
        try:
            await asyncio.wait({connecting, failing}, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                await connecting
                await self._begin(connection)
        except (nats.errors.Error, OSError, ValueError, ImportError) as error:
            raise self._away(error) from error
        finally:
            failing.cancel()
            if self._connection is not connection:
                connecting.cancel()
                await _end(connection)
        if self._connection is not connection:
            raise self._away()

    async def _all_servers_failed(self, failed: asyncio.Event) -> None:
        for _ in self._access.servers:
            await failed.wait()
            failed.clear()

    async def _begin(self, connection: Nats) -> None:
        """A fresh connection becomes ours: its errors are forgotten, answers come to its inbox."""
        self._last_error = None
        self._denied.clear()
        self._replies = f"{self.new_inbox()}."
        await subscribe_straight(connection, self._replies + "*", self._on_reply)
        self._connection = connection
        self._available.set()

    async def _publish(self, subject: str, body: bytes, reply: str, headers: dict[str, str] | None) -> None:
        if len(body) > self.body_bytes_max:
            raise PermanentError(f"{len(body)} bytes for {subject}: NATS takes {self.body_bytes_max} at most")
        try:
            await self._live().publish(subject, body, reply=reply, headers=headers)
        except (nats.errors.Error, OSError) as error:
            raise self._away() from error

    def _live(self) -> Nats:
        """The connection, connected: what goes into a lost one is sent later, when nobody wants it any more."""
        if self._connection is None or not self._connection.is_connected:
            raise self._away()
        return self._connection

    def _away(self, error: BaseException | None = None) -> Unavailable:
        why = self._last_error or (_said(error) if error else "no answer")
        return Unavailable(f"NATS at {self._access.place} is not reached: {why}")

    def _check_permitted(self, subject: str) -> None:
        doing = self._denied.get(subject.lower())
        if doing is not None:
            raise self._refusal(doing, subject)

    def _refusal(self, doing: str, subject: str) -> PermanentError:
        user = f"user {self._access.user!r}" if self._access.user else "this connection"
        return PermanentError(
            f"NATS does not permit {user} to {doing} {subject}: give it that permission, or use another user"
        )

    def _on_reply(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject.rpartition(".")[2])
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(message)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, ConnectionResetError) and self._last_error is not None:
            return  # it only follows on NATS' own reason
        self._last_error = _said(error)
        denied = _DENIED.search(self._last_error.lower())
        if denied is None:
            return
        what, denied_subject = denied.groups()  # in lower case: nats-py's parser makes it so
        doing = "publish to" if what.startswith("pub") else "subscribe to"
        if len(self._denied) < _DENIALS_MAX:
            self._denied[denied_subject] = doing
        for subject, answer in self._waiting.values():
            if subject.lower() == denied_subject and not answer.done():
                answer.set_exception(self._refusal(doing, subject))

    async def _on_lost(self) -> None:
        self.epoch += 1
        self._available.clear()
        self._fail_waiting(Unavailable(f"the connection to NATS at {self._access.place} was lost while waiting"))

    async def _on_back(self) -> None:
        self._last_error = None
        self._denied.clear()
        self._available.set()

    def _fail_waiting(self, error: Exception) -> None:
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)


async def _end(connection: Nats) -> None:
    """nats-py's close() can hang on a dead peer, and its reconnecting can outlive it (a cancellation that
    `asyncio.wait_for` of Python 3.11 swallowed): end both, for certain.
    """
    subscriptions = list(connection._subs.values())  # noqa: SLF001
    for _ in range(10):
        with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await connection.close()
        reconnecting = connection._reconnection_task  # noqa: SLF001
        if reconnecting is None or reconnecting.done():
            if connection.is_closed:
                break
            continue
        reconnecting.cancel()
        await asyncio.wait({reconnecting}, timeout=0.2)
    tasks: list[asyncio.Task[None] | None] = [one._wait_for_msgs_task for one in subscriptions]  # noqa: SLF001
    reading = [task for task in tasks if task is not None]
    if reading:
        await asyncio.wait(reading, timeout=_CLOSE_TIMEOUT_S)


def _said(error: BaseException) -> str:
    """Its words; a time-out has none."""
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else repr(error))
