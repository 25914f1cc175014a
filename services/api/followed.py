"""The api's own followed state: the feed of changes folded into a World, from the first time that somebody wants it.

I/O by the SDK's Client. Who does not use it pays nothing. While the feed is lost, the last whole World is served for a
bounded time.
"""

import asyncio
import contextlib
import math
import time
from contextlib import aclosing
from typing import Final

import structlog

from funswarm.changes import Changed
from funswarm.client import Client
from funswarm.errors import FunswarmError, Unavailable
from services.api.world import Fold, World

KINDS: Final = ("service", "task", "node")
FIRST_WAIT_S: Final = 2.0  # below the time that a proxy waits for its document
TICK_S: Final = 1.0
FILLING_MAX_S: Final = 30.0  # where the Swarm never pauses
RETRY_S: Final = 2.0
STALE_MAX_S: Final = 600.0

log = structlog.get_logger(__name__)


class Followed:
    """`stale_max_s`: how long the last World is served after the feed was lost. `close` it."""

    def __init__(self, client: Client, stale_max_s: float = STALE_MAX_S) -> None:
        self._client = client
        self._stale_max_s = stale_max_s
        self._fold = Fold()
        self._whole_at: float | None = None  # when the World was last known to be the Swarm's
        self._following: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._why_not = "it is being read"

    @property
    def behind_s(self) -> float:
        """How long ago the World was last known to be as the Swarm is; 0 while it is."""
        age_s = 0.0 if self._whole_at is None else time.monotonic() - self._whole_at
        return age_s if age_s > 3 * TICK_S else 0.0

    async def world(self) -> World:
        """The Swarm now; the first to ask starts the following, and waits a moment.

        Raises:
            Unavailable: it was never read whole, or is too old; with the reason.
        """
        self._start()
        if not self._fold.revision:
            with contextlib.suppress(TimeoutError):
                await self.after(0, FIRST_WAIT_S)
        world = self._fold.world()
        if world is None:
            raise Unavailable(f"the state of the Swarm is not known yet: {self._why_not}", delay_s=1.0)
        if self.behind_s > self._stale_max_s:
            why = f"what is known of the Swarm is {self.behind_s:.0f} s old: {self._why_not}"
            raise Unavailable(why, delay_s=RETRY_S)
        return world

    async def after(self, revision: int, timeout_s: float | None = None) -> World:
        """The first World that is seen to be newer than `revision`.

        Raises:
            TimeoutError: there was none within `timeout_s`; None: it is waited for for ever.
        """
        self._start()
        async with asyncio.timeout(timeout_s):
            while self._fold.revision <= revision:
                await self._moved.wait()
        world = self._fold.world()
        assert world is not None
        return world

    async def close(self) -> None:
        """Ends the following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    def _start(self) -> None:
        if self._following is None:
            self._following = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except FunswarmError as error:
                self._why_not = str(error)
                log.warning("does not follow the feed", reason=self._why_not)
            except Exception as fault:  # whatever it is, it is tried again: the routes depend on it
                self._why_not = f"a fault in Funswarm itself: {fault!r}"
                log.exception("a fault in Funswarm itself")
            self._fold.broken()
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        fold = self._fold
        filling_since: float | None = None  # the first event
        async with aclosing(self._client.changes(kinds=KINDS)) as feed:
            while True:
                before = fold.revision
                item = await (feed.next(TICK_S) if fold.complete or fold.filling else anext(feed))
                if item is not None:
                    fold.take(item)
                if fold.filling:
                    self._why_not = "the poller is yet to tell of it"
                    filling_since = filling_since or (time.monotonic() if isinstance(item, Changed) else None)
                    if item is None or time.monotonic() - (filling_since or math.inf) > FILLING_MAX_S:
                        fold.filled()
                else:
                    filling_since = None
                if fold.complete and self._client.connected:
                    self._whole_at = time.monotonic()
                elif fold.complete:
                    self._why_not = "NATS is away"
                if fold.revision != before:
                    moved, self._moved = self._moved, asyncio.Event()
                    moved.set()
