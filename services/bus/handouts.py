"""Events as a durable consumer of NATS hands them out: each until it is finished, over restarts of all who take part.

What is promised besides at-least-once: they come in the order of the stream. NATS alone does not promise that: what was
on its way to a reader that died, or over a connection that broke, comes again only after ACK_WAIT_S, behind what is
newer. So, at the start and whenever the consumer's numbers have a gap, all that arrives is held back until as much is
in hand as NATS counts as not finished; then it is handed on in order.

It is a push consumer with a subject of its own: a reader that was frozen and wakes up takes nothing away from its
successor. Only headers are handed out, so that what waits costs little; the body is read when its turn comes.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import FunswarmError
from services.bus.answers import status
from services.bus.jetstream import ApiError, call, last_sequence

if TYPE_CHECKING:
    from services.bus.connection import Bus

WINDOW: Final = 256  # so many are out at once; those of one object that fail may come to be all of them
ACK_WAIT_S: Final = 10.0
_HEARTBEAT_S: Final = 2
_SILENCE_S: Final = 7.0  # no message and no heartbeat for so long: the consumer is gone, or we are not heard
_LOOK_S: Final = 1.0
_SETTLE_S: Final = 0.1
_REMEMBERED: Final = 4 * WINDOW
_NS: Final = 10**9
_HEARTBEAT: Final = "100"
_ACK, _NAK = b"+ACK", b"-NAK"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handout:
    """An event without its body. `stored_at`: when NATS stored it."""

    sequence: int
    subject: str
    headers: dict[str, str]
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the consumer: how many events are not finished, how many of them it has still, and what it gave last."""

    pending: int
    undelivered: int
    delivered: int


class Handouts:
    """`async for handout in handouts`, after `open`, until `close`; `finish` each.

    `after`: a new consumer begins after this sequence of the stream; None: with what is stored from now on.
    """

    def __init__(self, bus: "Bus", name: str, filters: list[str], after: int | None) -> None:
        self._link = bus.link
        self._stream = bus.subjects.events_stream
        self._name = name
        self._subject = bus.subjects.handout(name)
        self._filters = filters
        self._after = after
        self._out: dict[int, str] = {}  # sequence -> where to tell NATS about it
        self._held: list[Handout] = []  # in hand, and not handed on yet
        self._done: OrderedDict[int, None] = OrderedDict()  # lately: NATS forgets that some were
        self._ready: asyncio.Queue[Handout | None] = asyncio.Queue()
        self._settled = False
        self._gaps = 0
        self._last: int | None = None  # the consumer's number of what came last
        self._heard_at = 0.0
        self._inbox: Subscription | None = None
        self._keeping: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[Handout]:
        return self

    async def __anext__(self) -> Handout:
        handout = await self._ready.get()
        if handout is None:
            raise StopAsyncIteration
        return handout

    async def open(self) -> None:
        """Take up the consumer where it was left, or make it.

        Raises:
            Unavailable: NATS is away, or has no stream of events yet.
            PermanentError: it refuses.
        """
        await self._declare()  # first, so that nothing comes by filters that are no longer wanted
        self._inbox = await self._link.subscribe(self._subject, self._arrived)
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Hand out no more; what is not finished comes to the next reader at once."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self._inbox is not None:
            await self._link.unsubscribe(self._inbox)
        with suppress(FunswarmError):
            for reply in self._out.values():
                await self._link.send(reply, _NAK)
        self._ready.put_nowait(None)

    async def finish(self, sequence: int) -> None:
        """It is done with. Where NATS does not hear of it, it comes again, and is not handed out again."""
        reply = self._out.pop(sequence, None)
        self._done[sequence] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        if reply is not None:
            with suppress(FunswarmError):
                await self._link.send(reply, _ACK)

    async def _arrived(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        if status(message) is not None:
            if status(message) == _HEARTBEAT:
                self._expect(int((message.headers or {}).get("Nats-Last-Consumer", self._last or 0)))
            return
        about = message.metadata
        self._expect(about.sequence.consumer - 1)
        self._last, sequence = about.sequence.consumer, about.sequence.stream
        if sequence in self._done:
            with suppress(FunswarmError):
                await self._link.send(message.reply, _ACK)
            return
        known = sequence in self._out
        self._out[sequence] = message.reply
        if not known:
            handout = Handout(sequence, message.subject, dict(message.headers or {}), about.timestamp)
            if self._settled:
                self._ready.put_nowait(handout)
            else:
                self._held.append(handout)

    def _expect(self, last: int) -> None:
        """The consumer's number of what came last must be this."""
        if self._last is not None and last != self._last:
            self._settled = False
            self._gaps += 1
            self._last = last

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S if self._settled else _SETTLE_S)
            try:
                await self._link.wait_connected(_SILENCE_S)
                if time.monotonic() - self._heard_at > _SILENCE_S:
                    self._settled = False
                    await self._declare()
                if not self._settled:
                    await self._settle()
            except (ApiError, FunswarmError) as error:
                _log.warning("no events of %s for now: %s", self._name, error)
                self._settled = False
                await asyncio.sleep(_LOOK_S)

    async def _settle(self) -> None:
        """Hand on what is held back, if nothing is missing among it."""
        gaps = self._gaps
        found = await self._info()
        if gaps != self._gaps or int(found["num_ack_pending"]) > len(self._out):
            return
        self._last = max(self._last or 0, int(found["delivered"]["consumer_seq"]))
        self._settled = True
        for handout in sorted(self._held, key=lambda one: one.sequence):
            self._ready.put_nowait(handout)
        self._held.clear()

    async def _declare(self) -> None:
        wanted: dict[str, Any] = {
            "durable_name": self._name,
            "deliver_subject": self._subject,
            "filter_subjects": self._filters,
            "headers_only": True,
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT_S * _NS),
            "max_deliver": -1,
            "max_ack_pending": WINDOW,
            "idle_heartbeat": _HEARTBEAT_S * _NS,
        }
        try:
            wanted = (await self._info())["config"] | wanted
            wanted.pop("filter_subject", None)
        except ApiError as error:
            if error.code != 404:
                raise error.told(f"read the consumer {self._name}") from error
            wanted |= await self._start()
            self._last = None
        request = {"stream_name": self._stream, "config": wanted, "action": ""}
        try:
            await call(self._link, f"CONSUMER.CREATE.{self._stream}.{self._name}", request)
        except ApiError as error:
            raise error.told(f"make the consumer {self._name}") from error
        self._heard_at = time.monotonic()

    async def _start(self) -> dict[str, Any]:
        """Where a new consumer begins: where we were, if the one before was taken away under us."""
        seen = [*self._out, *self._done]
        after = min(self._out, default=max(seen) + 1) - 1 if seen else self._after
        if after is None:
            return {"deliver_policy": "new"}
        if after > await last_sequence(self._link, self._stream):  # the stream is another one
            return {"deliver_policy": "all"}
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}

    async def _info(self) -> dict[str, Any]:
        return await call(self._link, f"CONSUMER.INFO.{self._stream}.{self._name}")


async def consumer_standing(bus: "Bus", name: str) -> Standing | None:
    """Of a consumer of events; None: there is none of that name.

    Raises:
        Unavailable, PermanentError: NATS does not say.
    """
    try:
        found = await call(bus.link, f"CONSUMER.INFO.{bus.subjects.events_stream}.{name}")
    except ApiError as error:
        if error.code == 404:
            return None
        raise error.told(f"read the consumer {name}") from error
    undelivered = int(found["num_pending"])
    return Standing(undelivered + int(found["num_ack_pending"]), undelivered, int(found["delivered"]["stream_seq"]))


async def durable_consumers(bus: "Bus") -> list[str]:
    """The names of all consumers of events.

    Raises:
        Unavailable, PermanentError: NATS does not say.
    """
    names: list[str] = []
    while True:
        try:
            page = await call(bus.link, f"CONSUMER.NAMES.{bus.subjects.events_stream}", {"offset": len(names)})
        except ApiError as error:
            raise error.told("list the consumers of events") from error
        names += page.get("consumers") or []
        if not page.get("consumers") or len(names) >= page["total"]:
            return names


async def forget_consumer(bus: "Bus", name: str) -> None:
    """Take a consumer of events away, if it is there.

    Raises:
        Unavailable, PermanentError: NATS does not.
    """
    try:
        await call(bus.link, f"CONSUMER.DELETE.{bus.subjects.events_stream}.{name}")
    except ApiError as error:
        if error.code != 404:
            raise error.told(f"take the consumer {name} away") from error
