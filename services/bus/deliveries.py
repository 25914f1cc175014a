"""The commands as they are handed out: a durable pull consumer of the work queue, as an async iterator. Firings, too.

Kept alive here, so that the scheduler need not think of it: whatever is handed out and not finished is told to NATS as
in progress; a redelivery of what is still in hand is not handed out again; a consumer that is gone is made anew. Who
reads next begins with all that is not finished.

The consumer's metadata remember how far the readers before had come: what they had in hand when they ended is known at
no cost, however they ended.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import FunswarmError, TemporaryError
from services.bus.answers import Answers, NoAnswer, status
from services.bus.jetstream import ApiError, call
from services.bus.link import Link
from services.bus.removal import ACK, Finished, Removal
from services.bus.streams import ACK_WAIT_S

_PULL_S: Final = 30
_HEARTBEAT_S: Final = 1
_SILENCE_S: Final = 3.5  # no message and no heartbeat for so long: the pull is lost
_RETRY_DELAY_S: Final = 0.25
_NS: Final = 10**9
_HEARTBEAT: Final = "100"
_PULL_EXPIRED: Final = "408"
_REACHED: Final = "funswarm-reached"
_REACHED_MAX: Final = 8
_NAK, _TERM, _PROGRESS = b"-NAK", b"+TERM", b"+WPI"

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Delivery:
    """A command that is handed out until one of `ack`, `nak`, `term`; they need NATS, and raise Unavailable without it.

    `sequence`: its place in the queue. `accepted_at`: when NATS stored it. `deliveries`: how often it was handed out
    since this copy took over, 1 at first; `inherited`: how many of the last readers had it in hand before (at most 8).
    What was finished comes again where a crash of NATS forgets it, or where NATS was away.
    """

    sequence: int
    subject: str
    body: bytes
    headers: dict[str, str]
    accepted_at: datetime
    deliveries: int
    inherited: int
    _reply: str = field(repr=False)
    _owner: "Deliveries" = field(repr=False)

    async def ack(self) -> None:
        """It is done: remove it from the queue, with others that are."""
        await self._owner.finish(self, ACK)

    async def nak(self, delay_s: float = 0.0) -> None:
        """It is not done: hand it out again after `delay_s`."""
        await self._owner.finish(self, _NAK + b" " + json.dumps({"delay": int(delay_s * _NS)}).encode())

    async def term(self) -> None:
        """It can never be done: remove it from the queue."""
        await self._owner.finish(self, _TERM)


class Deliveries:
    """`async for delivery in deliveries`, in the order of the queue, until `close`.

    `config`: the durable consumer, in NATS's own words; its `max_ack_pending` are out at once at most. `is_queue`: what
    is finished is gone from the stream; elsewhere some of it may be handed out again to who reads next.
    """

    def __init__(self, link: Link, stream: str, config: dict[str, Any], *, is_queue: bool = True) -> None:
        self._link = link
        self._stream = stream
        self._config = config
        self._is_queue = is_queue
        self._name: str = config["durable_name"]
        self._limit: int = config["max_ack_pending"]
        self._out: dict[int, Delivery] = {}  # by sequence: handed out and not finished
        self._ready: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._wanted = 0  # of the pull that is open
        self._heard_at = 0.0  # of that pull, by the monotonic clock
        self._sound = True  # as far as we know, the consumer is there
        self._news: Answers | None = None  # ends the wait for something to happen
        self._reached: list[int] = []  # up to which sequence each of the last readers had come
        self._failure: FunswarmError | None = None
        self._inbox: Subscription | None = None
        self._reply = ""
        self._removal = Removal(link, stream)
        self._tasks: list[asyncio.Task[None]] = []

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        delivery = await self._ready.get()
        if delivery is None:
            raise self._failure or StopAsyncIteration
        return delivery

    async def open(self) -> None:
        """Begin with all that is not finished, in the order of the queue; raises what Link.subscribe does.

        A new consumer each time: an old one would hand out new messages before those that its dead reader had in hand.
        """
        await self._replace()
        self._reply = self._link.inbox.new_subject()
        self._inbox = await self._link.subscribe_straight(self._reply, self._arrived)
        self._tasks = [asyncio.create_task(run) for run in (self._pull(), self._keep(), self._removal.run())]

    async def close(self) -> None:
        """Hand out no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._removal.flush()
        if self._inbox is not None:
            await self._link.drain(self._inbox, 1.0)
        self._ready.put_nowait(None)

    async def finish(self, delivery: Delivery, how: bytes) -> None:
        """It is out no more; also when NATS is away, which will hand it out again."""
        self._out.pop(delivery.sequence, None)
        if self._wanted == 0:
            self._happened()  # there is room for more
        if how is ACK and self._is_queue:
            self._removal.add(Finished(delivery.sequence, delivery.accepted_at, delivery._reply))  # noqa: SLF001
        else:
            await self.tell(delivery, how)

    async def tell(self, delivery: Delivery, what: bytes) -> None:
        """Tell NATS about a delivery."""
        await self._link.send(delivery._reply, what)  # noqa: SLF001

    def _arrived(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        code = status(message)
        if code is not None:
            if code != _HEARTBEAT:
                self._wanted = 0  # the pull is over
                self._sound = code == _PULL_EXPIRED  # else the consumer is deleted, or its leader gone
                self._happened()
            return
        self._wanted = max(0, self._wanted - 1)
        if self._wanted == 0:
            self._happened()
        delivery = self._delivery(message)
        known = self._out.get(delivery.sequence)
        if known is not None:
            known._reply = message.reply  # noqa: SLF001  NATS takes the answer to the last delivery only
            return
        self._out[delivery.sequence] = delivery
        self._ready.put_nowait(delivery)

    def _delivery(self, message: Msg) -> Delivery:
        about = message.metadata
        return Delivery(
            about.sequence.stream,
            message.subject,
            message.data,
            dict(message.headers or {}),
            about.timestamp,
            about.num_delivered,
            sum(about.sequence.stream <= reached for reached in self._reached),
            message.reply,
            self,
        )

    async def _replace(self) -> None:
        """Take the consumer of whoever read before away; what it had handed out stays in the queue."""
        place = f"{self._stream}.{self._name}"
        try:
            before = await call(self._link, f"CONSUMER.INFO.{place}")
            self._reached = [*_reached(before["config"]), int(before["delivered"]["stream_seq"])][-_REACHED_MAX:]
            if not self._is_queue:
                start = int(before["ack_floor"]["stream_seq"]) + 1
                self._config = self._config | {"deliver_policy": "by_start_sequence", "opt_start_seq": start}
            await call(self._link, f"CONSUMER.DELETE.{place}")
        except ApiError as error:
            if error.code != 404:
                raise error.told(f"read {self._stream}") from error

    def _happened(self) -> None:
        if self._news is not None:
            self._news.end()

    async def _pull(self) -> None:
        while True:
            try:
                await self._link.wait_connected(_PULL_S)
                self._removal.forget()
                await call(self._link, f"CONSUMER.CREATE.{self._stream}.{self._name}", self._consumer())
                self._wanted, self._sound = 0, True
                while self._sound:
                    await self._pull_once()
            except (TemporaryError, ApiError) as error:
                _log.warning("nothing of %s for now: %s", self._stream, error)
            except FunswarmError as error:
                self._failure = error
                self._ready.put_nowait(None)
                return
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _pull_once(self) -> None:
        """Have a pull open for as many as may be out, and wait until it is over, or silent for too long."""
        with self._link.inbox.expect(self._stream, lambda _: True) as self._news:
            free = self._limit - len(self._out)
            if self._wanted == 0 and free > 0:
                await self._ask(free)
            silent_s = time.monotonic() - self._heard_at
            try:
                await self._news.wait(max(0.0, _SILENCE_S - silent_s) if self._wanted else _SILENCE_S)
            except NoAnswer:
                self._sound = self._wanted == 0 or time.monotonic() - self._heard_at < _SILENCE_S

    async def _ask(self, batch: int) -> None:
        ask = {"batch": batch, "expires": _PULL_S * _NS, "idle_heartbeat": _HEARTBEAT_S * _NS}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
        self._wanted, self._heard_at = batch, time.monotonic()
        await self._link.send(subject, json.dumps(ask).encode(), self._reply)

    def _consumer(self) -> dict[str, Any]:
        config = self._config | {"metadata": {_REACHED: json.dumps(self._reached)}}
        return {"stream_name": self._stream, "config": config, "action": ""}

    async def _keep(self) -> None:
        """Say every second or so that what is out is worked on."""
        while True:
            await asyncio.sleep(ACK_WAIT_S / 4)
            for delivery in list(self._out.values()):
                with suppress(FunswarmError):
                    await self.tell(delivery, _PROGRESS)


def _reached(config: dict[str, Any]) -> list[int]:
    return list(json.loads((config.get("metadata") or {}).get(_REACHED, "[]")))
