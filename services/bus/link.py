"""One connection to NATS: what the rest of the bus stands on. Owns the socket, through nats-py's core client.

nats-py's own ways to ask are not used, for what they do at the edges:
 * what is asked while NATS is away is sent when it is back, though nobody waits any more: here nothing is kept;
 * a lost connection is noticed only by time-outs: here all who wait are told at once;
 * a refused publish looks like a time-out: here it fails with NATS's reason;
 * a cancelled `flush` kills the client's reading for good, while it still looks connected: it is never called here.
A server that is silent is found out by pings within some 6 s.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.access import Access
from funswarm.errors import PermanentError, Unavailable
from funswarm.nats_client import NatsClient
from services.bus.answers import NO_RESPONDERS, Feed, Inbox, NobodyAnswers, status
from services.bus.edges import end_client, published, subscribed, subscribed_straight, unsubscribe, useless

_CLOSE_TIMEOUT_S: Final = 3.0
_BARRIER_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 0.1
_PENDING_BYTES: Final = 2**20  # then wait for the socket; nats-py does at twice of that
_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Link:
    """`open` it once, `close` it. Raises only funswarm.errors.

    `lost` is done when the connection is closed for good, with the reason.
    """

    def __init__(self, access: Access, connect_timeout_s: float) -> None:
        self._access = access
        self._connect_timeout_s = connect_timeout_s
        self._client = NatsClient()
        self.inbox = Inbox(f"{access.inbox_prefix}.{self._client._nuid.next().decode()}")  # noqa: SLF001
        self._denied: str | None = None  # the subject of the last subscription that NATS refused
        self._up = asyncio.Event()
        self._why_not = "not connected yet"
        self._opened = False
        self._closing = False
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Connect, waiting for NATS at most `connect_timeout_s`.

        Raises:
            Unavailable: NATS is not there.
            PermanentError: it refuses us, or the TLS or credentials files cannot be used.
        """
        end = time.monotonic() + self._connect_timeout_s
        connecting = asyncio.create_task(self._connect())
        both: set[asyncio.Future[Any]] = {connecting, self.lost}
        try:
            await asyncio.wait(both, timeout=self._connect_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            self._must_have_connected(connecting)
            await connecting
            self._opened = True
            if self._client.is_connected:  # not where NATS went away in the middle: then it is tried again
                self._up.set()
            inbox = f"{self.inbox.prefix}.*"
            await self.persist(lambda: self.subscribe_straight(inbox, self.inbox.arrived), end - time.monotonic())
        except BaseException:
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=_CLOSE_TIMEOUT_S)
            await self.close()
            raise

    def _must_have_connected(self, connecting: asyncio.Task[None]) -> None:
        if self.lost.done():
            raise PermanentError(self.lost.result())
        if not connecting.done():
            raise Unavailable(f"NATS at {self.where} cannot be reached: {self._why_not}")

    async def close(self) -> None:
        """Close, in bounded time, also while NATS is away."""
        self._closing = True
        self._drop("the connection was closed")
        await end_client(self._client, _CLOSE_TIMEOUT_S)

    @property
    def where(self) -> str:
        """The addresses, without passwords."""
        return self._access.place

    @property
    def connected(self) -> bool:
        """Whether NATS was there when we last heard of it."""
        return self._up.is_set() and self._client.is_connected

    @property
    def why_not(self) -> str | None:
        """Why it is not connected; None while it is."""
        return None if self.connected else self._why_not

    @property
    def server_version(self) -> str:
        """As the server says it, such as `2.12.1`."""
        return str(self._client._server_info.get("version", "0"))  # noqa: SLF001  nats-py's parser chokes on `2.14.0-RC.1`

    async def wait_connected(self, timeout_s: float) -> None:
        """
        Raises:
            Unavailable: NATS is not back within that time.
        """
        if self.connected:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            raise self._away() from None

    async def persist(self, attempt: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """What `attempt` gives; where NATS goes away meanwhile, it is tried again once NATS is back.

        Raises:
            Unavailable: NATS is not back within that time, or does not answer.
        """
        end = time.monotonic() + timeout_s
        while True:
            await self.wait_connected(max(0.0, end - time.monotonic()))
            try:
                return await attempt()
            except Unavailable as error:
                _log.warning("trying again: %s", error)
            await asyncio.sleep(_RETRY_S)

    async def send(
        self, subject: str, body: bytes = b"", reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send and forget; nothing is kept for later.

        Raises:
            Unavailable: not connected.
            Unfit: too large, or a subject or header that NATS does not allow.
        """
        if not self.connected:
            raise self._away()
        await published(self._client, subject, body, reply, headers)
        if self._client.pending_data_size > _PENDING_BYTES:
            await self._written()

    async def request(
        self, subject: str, body: bytes = b"", timeout_s: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> Msg:
        """The one answer.

        Raises:
            NobodyAnswers: nobody listens there.
            NoAnswer: not within `timeout_s`.
            Unavailable: the connection is or gets lost.
            PermanentError: NATS refuses it.
        """
        answers: list[Msg] = []

        def feed(message: Msg) -> bool:
            answers.append(message)
            return True

        await self.collect(subject, body, feed, timeout_s, headers)
        if not answers[0].data and status(answers[0]) == NO_RESPONDERS:
            raise NobodyAnswers(f"nobody answers {subject}")
        return answers[0]

    async def collect(
        self, subject: str, body: bytes, feed: Feed, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send, and give each answer to `feed` until it returns True. Errors as of `request`, but NobodyAnswers."""
        with self.inbox.expect(subject, feed) as answers:
            await self.send(subject, body, answers.reply, headers)
            await answers.wait(timeout_s)

    async def subscribe(self, subject: str, handler: Callable[[Msg], Awaitable[None]], queue: str = "") -> Subscription:
        """Call `handler` with each message, one at a time; it lives on over reconnects. In effect when this returns.

        Raises:
            Unavailable: not connected.
            PermanentError: NATS refuses it.
        """
        return await self._in_effect(subject, lambda: subscribed(self._client, subject, handler, queue))

    async def subscribe_straight(self, subject: str, take: Callable[[Msg], None]) -> Subscription:
        """As `subscribe`; `take` is called as a message is read, so it must be quick."""
        return await self._in_effect(subject, lambda: subscribed_straight(self._client, subject, take))

    async def _in_effect(self, subject: str, begin: Callable[[], Awaitable[Subscription]]) -> Subscription:
        if not self.connected:
            raise self._away()
        subscription = await begin()
        try:
            await self.barrier()
        except BaseException:
            await self.unsubscribe(subscription)  # else NATS would send to it too, once it is back
            raise
        if self._denied == subject.lower():
            await self.unsubscribe(subscription)
            raise PermanentError(self._refusal("subscription", subject))
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; what it has queued is thrown away."""
        await unsubscribe(subscription)

    async def drain(self, subscription: Subscription, timeout_s: float) -> None:
        """End a subscription after all that NATS sent before has been handed to its handler, within `timeout_s`."""
        with suppress(nats.errors.Error, OSError, Unavailable, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._client._send_unsubscribe(subscription._id)  # noqa: SLF001  its drain() calls flush
                await self.barrier()
                await subscription._pending_queue.join()  # noqa: SLF001
        await self.unsubscribe(subscription)

    async def barrier(self) -> None:
        """Wait until the server has taken all that was sent before, and we have read all that it sent till then.

        Raises:
            Unavailable: not connected, or no answer.
        """
        await self._written()
        pong: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            await self._client._send_ping(pong)  # noqa: SLF001
        except OSError as error:
            raise Unavailable(f"cannot ping NATS at {self.where}: {error}") from error
        await self._done(pong, "a ping")

    async def _written(self) -> None:
        """Wait until nats-py has handed all to the socket. Its own way to wait swallows a cancellation."""
        written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self.connected or self._client._flush_queue is None:  # noqa: SLF001
            raise self._away()
        await self._client._flush_queue.put(written)  # noqa: SLF001
        await self._done(written, "the socket")

    async def _done(self, future: asyncio.Future[Any], what: str) -> None:
        """Wait for a future of nats-py's without ever cancelling it: that would end nats-py's reading for good."""
        with self.inbox.expect(what, lambda _: True) as answers:
            future.add_done_callback(answers.end)
            await answers.wait(_BARRIER_TIMEOUT_S)

    async def _connect(self) -> None:
        try:
            await self._client.connect(**self._options())
        except (OSError, ValueError, ImportError) as error:
            raise PermanentError(f"NATS at {self.where} cannot be used: {error}") from error
        except nats.errors.Error as error:
            raise Unavailable(f"NATS at {self.where} cannot be used: {error}") from error

    def _options(self) -> dict[str, Any]:
        return self._access.options() | {
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnected,
            "reconnected_cb": self._on_reconnected,
            "closed_cb": self._on_closed,
        }

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if denied := _DENIED.search(text):
            self._on_denied(denied[1].lower(), denied[2])
        elif isinstance(error, nats.errors.SlowConsumerError):
            _log.warning("messages were dropped: too many are waiting: %s", text)
        else:
            self._why_not = text
            if not self._opened and not self.lost.done() and (why := useless(error, self.where, self._who)):
                self.lost.set_result(why)

    def _on_denied(self, kind: str, subject: str) -> None:
        _log.error(self._refusal(kind, subject))
        if kind == "subscription":
            self._denied = subject.lower()
            return
        self.inbox.fail(subject.lower(), lambda asked: PermanentError(self._refusal(kind, asked)))

    def _refusal(self, kind: str, subject: str) -> str:
        doing = "publishing" if kind == "publish" else "subscribing"
        return f"NATS refuses {doing} to {subject} for {self._who}: grant it in the server's configuration"

    @property
    def _who(self) -> str:
        return f"user {self._access.user}" if self._access.user else "a client without a user"

    async def _on_disconnected(self) -> None:
        self._drop("the connection to NATS is lost")
        self._client._pending.clear()  # noqa: SLF001  else it is sent when NATS is back
        self._client._pending_data_size = 0  # noqa: SLF001
        if not self._closing:
            _log.warning("the connection to NATS at %s is lost: trying again", self.where)

    async def _on_reconnected(self) -> None:
        self._up.set()
        _log.info("connected to NATS at %s again", self.where)

    async def _on_closed(self) -> None:
        if not self._closing and not self.lost.done():
            self.lost.set_result(f"NATS at {self.where} closed the connection for good: {self._client.last_error}")

    def _drop(self, reason: str) -> None:
        self._up.clear()
        self._why_not = reason
        self.inbox.fail_all(reason)

    def _away(self) -> Unavailable:
        return Unavailable(f"NATS at {self.where} is not connected: {self._why_not}")
