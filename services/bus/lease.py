"""Who is the active copy of a part: a key with a time to live in the lease bucket. At most one copy holds it.

The holder renews it; when it dies NATS drops the key after TTL_S and a waiting copy takes it. A clean stop deletes the
key, which the others hear at once. A holder that cannot renew, or that was stopped for a while and wakes up, knows by
its own clock that its time is over before NATS gives the key to another, as NATS began to count after it had asked.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from nats.aio.msg import Msg

from funswarm.errors import FunswarmError, TemporaryError, Unavailable
from services.bus.answers import NOT_STORED, NoAnswer
from services.bus.jetstream import EXPECTED_STREAM, WRONG_LAST_SEQUENCE, ApiError, checked, last_on
from services.bus.state import OPERATION
from services.bus.streams import bucket_stream, bucket_subject

if TYPE_CHECKING:
    from services.bus.connection import Bus

TTL_S: Final = 4
RENEW_S: Final = 1.25
LOOK_INTERVAL_S: Final = 0.5
MARGIN_S: Final = 0.5  # the holder gives up so long before NATS does
_ANSWER_TIMEOUT_S: Final = 1.0
_EXPECTED_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"

_log = logging.getLogger(__name__)


class Lease:
    """The lease of `part` for this `holder`, any number of times:

        async with lease.hold():        # waits until it is ours
            ...                         # active, until lease.lost is set

    `lost`: set when it is ours no more; whoever is active must then stop. What it still writes is fenced elsewhere.
    `told(why)` is called while it is waited for: why NATS cannot say who has it, or None where another copy has it.
    """

    def __init__(self, bus: "Bus", part: str, holder: str, told: Callable[[str | None], None] = lambda _: None) -> None:
        self._link = bus.link
        self._part = part
        self._holder = holder
        self._told = told
        self._mark = secrets.token_hex(8)
        self._stream = bucket_stream(bus.subjects.lease_bucket)
        self._subject = bucket_subject(bus.subjects.lease_bucket, part)
        self._revision = 0
        self._until = 0.0  # our own monotonic clock
        self.lost = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether it is ours at this moment."""
        return time.monotonic() < self._until

    @asynccontextmanager
    async def hold(self) -> AsyncIterator["Lease"]:
        """Wait until it is ours, keep it, and give it back at the end."""
        await self._acquire()
        self.lost.clear()
        _log.info("active: this copy holds the lease of %s", self._part)
        renewing = asyncio.create_task(self._renew())
        try:
            yield self
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            await self._release()

    async def _acquire(self) -> None:
        freed = asyncio.Event()

        async def heard(message: Msg) -> None:
            if OPERATION in (message.headers or {}):
                freed.set()

        said = False
        subscription = None
        try:
            while True:
                freed.clear()
                try:
                    subscription = subscription or await self._link.subscribe(self._subject, heard)
                    is_ours = await self._take()
                    self._told(None)
                    if is_ours:
                        return
                    if not said:
                        _log.info("standby: another copy holds the lease of %s", self._part)
                        said = True
                except TemporaryError as error:
                    self._told(f"who is active cannot be told: {error}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_INTERVAL_S):
                        await freed.wait()
        finally:
            if subscription is not None:
                await self._link.unsubscribe(subscription)

    async def _take(self, *, also_free: bool = True) -> bool:
        """Write the key if it is ours, from a try that was not answered, or (`also_free`) if nobody has it."""
        there = await last_on(self._link, self._stream, self._subject)
        headers = (there.headers or {}) if there is not None else {}
        free = there is None or OPERATION in headers
        if not (free and also_free) and (there is None or not self._is_ours(there.data)):
            return False
        self._revision = int(headers.get("Nats-Sequence", "0"))
        try:
            return await self._put()
        except NoAnswer as error:
            raise Unavailable(f"NATS answers, but does not store the lease of {self._part}: {NOT_STORED}") from error

    async def _put(self) -> bool:
        """Write the key anew if it is as we know it; False: it is not.

        Raises:
            TemporaryError: no answer; it may be written.
            PermanentError: NATS refuses.
        """
        sent = time.monotonic()
        body = json.dumps({"holder": self._holder, "mark": self._mark}).encode()
        revision = await self._publish(body, {"Nats-TTL": str(TTL_S)})
        if revision is None:
            return False
        self._revision = revision
        self._until = sent + TTL_S - MARGIN_S
        return True

    async def _publish(self, body: bytes, headers: dict[str, str]) -> int | None:
        fence = {_EXPECTED_SEQUENCE: str(self._revision), EXPECTED_STREAM: self._stream}
        answer = await self._link.request(self._subject, body, _ANSWER_TIMEOUT_S, headers | fence)
        try:
            return int(checked(answer.data)["seq"])
        except ApiError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                return None
            raise error.told(f"take the lease of {self._part}") from error

    async def _renew(self) -> None:
        while self.held:
            await asyncio.sleep(min(RENEW_S, self._left_s()))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._left_s()):
                    await self._renew_once()
        self.lost.set()
        _log.warning("standby: the lease of %s is lost", self._part)

    async def _renew_once(self) -> None:
        """Renew, trying again; `held` says how it went."""
        while True:
            try:
                if not (await self._put() or await self._take(also_free=False)):  # somebody took it from us
                    self._until = 0.0
            except FunswarmError as error:
                _log.warning("the lease of %s is not renewed: %s", self._part, error)
                await asyncio.sleep(LOOK_INTERVAL_S)
            else:
                return

    def _left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())

    async def _release(self) -> None:
        if not self.held:
            return
        self._until = 0.0
        try:
            await self._publish(b"", {OPERATION: "DEL"})
        except FunswarmError as error:
            _log.warning("the lease of %s is not given back, it runs out: %s", self._part, error)

    def _is_ours(self, body: bytes) -> bool:
        try:
            return bool(json.loads(body)["mark"] == self._mark)
        except (ValueError, KeyError, TypeError):
            return False
