"""The sessions that are open, as the scheduler knows them while it is active. I/O: their bucket.

One that looks over is asked for once more, at the stream's leader, before it counts as over: a refresh that was not
heard of must not end what somebody is using. While NATS does not answer nothing ends.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from funswarm.errors import TemporaryError
from funswarm.sessions import Session, understood_session
from funswarm.subjects import untoken
from services.bus.sessions import SessionBucket

SWEEP_S: Final = 1.0
READ_ALL_S: Final = 30.0
STORED_S: Final = 0.02  # a session is heard of before it is stored
AT_ONCE_MAX: Final = 500

log = structlog.get_logger(__name__)

Touch = Callable[[set[str]], None]
Open = Mapping[str, Session]  # by service


class OpenSessions(Protocol):
    """What policies see of it."""

    def open(self) -> Open | None:
        """None: they have not been read yet, so nobody knows."""

    def watches(self, name: str) -> None:
        """This service is to be looked at whenever a session of any service begins or ends."""

    async def run(self, touch: Touch) -> None:
        """Until cancelled."""


class SessionBook:
    """`run` it. One for each time of being active."""

    def __init__(self, bucket: SessionBucket, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket = bucket
        self._clock = clock
        self._open: dict[str, Session] | None = None
        self._watching: set[str] = set()
        self._heard: set[str] = set()
        self._stirred = asyncio.Event()

    def open(self) -> Open | None:
        return None if self._open is None else MappingProxyType(self._open)

    def watches(self, name: str) -> None:
        self._watching.add(name)

    async def run(self, touch: Touch) -> None:
        """Until cancelled."""
        stop = await self._bucket.listen(self._hear)
        try:
            read_at: datetime | None = None
            while True:
                now = self._clock()
                try:
                    if read_at is None or abs(now - read_at) >= timedelta(seconds=READ_ALL_S):
                        await self._read_all(touch)
                        read_at = now
                    await self._read_some(touch)
                except TemporaryError as error:
                    log.warning("sessions are read later", reason=str(error))
                    await asyncio.sleep(SWEEP_S)
                    continue
                try:
                    async with asyncio.timeout(SWEEP_S):
                        await self._stirred.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(STORED_S)
        finally:
            await stop()

    def _hear(self, token: str) -> None:
        self._heard.add(untoken(token))
        self._stirred.set()

    async def _read_all(self, touch: Touch) -> None:
        """Any replica answers, which may not have the newest yet: so nothing ends by this."""
        now, before = self._clock(), self._open or {}
        read = [understood_session(body) for body in await self._bucket.all()]
        found = {one.service: one for one in read if one is not None and one.until > now}
        self._open = {**before, **found}
        self._tell(found.keys() - before.keys(), touch)

    async def _read_some(self, touch: Touch) -> None:
        """Those that were heard of, and those that look over."""
        self._stirred.clear()
        heard, self._heard = self._heard, set()
        assert self._open is not None, "all were read"
        names = heard | {name for name, one in self._open.items() if one.until <= self._clock()}
        try:
            while names:
                some = [names.pop() for _ in range(min(AT_ONCE_MAX, len(names)))]
                try:
                    bodies = await asyncio.gather(*(self._bucket.newest(name) for name in some))
                except TemporaryError:
                    names.update(some)
                    raise
                self._take(dict(zip(some, bodies, strict=True)), touch)
        finally:
            self._heard |= names

    def _take(self, bodies: Mapping[str, bytes | None], touch: Touch) -> None:
        assert self._open is not None, "all were read"
        now, changed = self._clock(), set[str]()
        for name, body in bodies.items():
            session = understood_session(body)
            if (session is not None and session.until > now) != (name in self._open):
                changed.add(name)
            if session is not None and session.until > now:
                self._open[name] = session
            else:
                self._open.pop(name, None)
        self._tell(changed, touch)

    def _tell(self, changed: Iterable[str], touch: Touch) -> None:
        if names := set(changed):
            touch(names | self._watching)
