"""The sessions that this copy of the api has seen to, so that most requests cost NATS nothing. I/O by the SDK's Client.

What is remembered is only ever too little: a session that another copy has made longer is read when it is needed.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from funswarm.client import Client
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

    async def open(self, services: Iterable[str], lasts_s: float) -> dict[str, Remembered]:
        """See to it that these last at least so long from now on; those are written together that need it."""
        names = list(services)
        found = await asyncio.gather(*(self._open(name, lasts_s) for name in names))
        return dict(zip(names, found, strict=True))

    async def _open(self, service: str, lasts_s: float) -> Remembered:
        if (known := self._known(service, lasts_s)) is not None:
            return known
        lock = self._opening.setdefault(service, asyncio.Lock())
        try:
            async with lock:  # of many requests at once one writes
                if (known := self._known(service, lasts_s)) is not None:
                    return known
                async with self._slots:
                    session = await self._client.wake(service, lasts_s)
                return self._remember(service, session)
        finally:
            if not lock.locked():
                self._opening.pop(service, None)

    def _known(self, service: str, lasts_s: float) -> Remembered | None:
        known = self._remembered.get(service)
        if known is None or known.session.until < datetime.now(UTC) + timedelta(seconds=lasts_s):
            return None
        return known

    def _remember(self, service: str, session: Session) -> Remembered:
        before = self._remembered.pop(service, None)
        if len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]  # the one that was written longest ago
        was_ready = before is not None and before.was_ready and before.session.since == session.since
        self._remembered[service] = Remembered(session, was_ready)
        return self._remembered[service]
