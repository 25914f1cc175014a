"""The sessions that this copy of the api has seen to, so that most requests cost NATS nothing. I/O by the SDK's Client.

What is remembered is only ever too little: a session that another copy has made longer is read when it is needed.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from funswarm.client import Client
from funswarm.errors import Unavailable
from funswarm.sessions import Session

REMEMBERED_MAX: Final = 10_000
AT_ONCE_MAX: Final = 16


@dataclass(slots=True)
class Remembered:
    """`was_ready`: its service has been, in this session."""

    session: Session
    was_ready: bool = False


class Opened:
    """All raise what `Client.wake` does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._remembered: dict[str, Remembered] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)

    async def open(self, services: Iterable[str], lasts_s: float) -> None:
        """See to it that these last at least so long from now on; those are written together that need it."""
        await asyncio.gather(*(self._open(name, lasts_s) for name in services))

    def was_ready(self, service: str) -> bool:
        """Whether it has been, in the session that it has."""
        known = self._remembered.get(service)
        return known is not None and known.was_ready

    def saw(self, service: str, *, ready: bool) -> None:
        """How it is now."""
        if (known := self._remembered.get(service)) is not None:
            known.was_ready = ready

    async def _open(self, service: str, lasts_s: float) -> None:
        if self._lasts(service, lasts_s):
            return
        if not self._client.connected:  # else each request would wait for it
            raise Unavailable("NATS is away, so nothing can be woken now")
        lock = self._opening.setdefault(service, asyncio.Lock())
        try:
            async with lock:  # of many requests at once one writes
                if not self._lasts(service, lasts_s):
                    async with self._slots:
                        self._remember(service, await self._client.wake(service, lasts_s))
        finally:
            if not lock.locked():
                self._opening.pop(service, None)

    def _lasts(self, service: str, lasts_s: float) -> bool:
        known = self._remembered.get(service)
        return known is not None and known.session.until >= datetime.now(UTC) + timedelta(seconds=lasts_s)

    def _remember(self, service: str, session: Session) -> None:
        before = self._remembered.pop(service, None)
        if len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]  # the one that was written longest ago
        was_ready = before is not None and before.was_ready and before.session.since == session.since
        self._remembered[service] = Remembered(session, was_ready)
