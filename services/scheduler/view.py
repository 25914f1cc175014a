"""What the active scheduler knows of the Swarm without asking Docker: it follows the feed as all can. I/O: the SDK.

It serves commands, but none depends on it: each reads its own service raw before it writes. Without a poller nothing
comes, without a feed the view is empty or old, and held commands are looked at again now and then.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from funswarm.changes import Item
from funswarm.client import Client
from funswarm.errors import FunswarmError
from services.scheduler.fold import Services
from services.scheduler.metrics import Metrics

KIND: Final = "service"
TROUBLE: Final = "view"
RETRY_S: Final = 10.0  # to begin anew is to read the whole bucket

log = structlog.get_logger(__name__)


class View:
    """Follows the feed into `services`, and hands it on to `also`. `troubles`: where to say why it cannot."""

    def __init__(
        self,
        client: Client,
        services: Services,
        metrics: Metrics,
        troubles: dict[str, str],
        also: Callable[[Item], None] = lambda _: None,
    ) -> None:
        self._also = also
        self._client = client
        self._services = services
        self._metrics = metrics
        self._troubles = troubles

    async def run(self, on_change: Callable[[set[str]], None]) -> None:
        """Until cancelled. `on_change`: given the names and ids of services of which something may have changed."""
        try:
            while True:
                try:
                    await self._follow(on_change)
                except FunswarmError as error:
                    self._say(str(error))
                except Exception as fault:  # whatever it is, commands go on without the view
                    log.exception("a fault in Funswarm itself")
                    self._say(f"a fault in Funswarm itself: {fault!r}")
                await asyncio.sleep(RETRY_S)
        finally:
            self._troubles.pop(TROUBLE, None)
            self._services.broken()
            self._measure()

    async def _follow(self, on_change: Callable[[set[str]], None]) -> None:
        async with aclosing(self._client.changes(kinds=[KIND])) as feed:
            async for item in feed:
                touched = self._services.take(item)
                self._also(item)
                self._measure()
                if self._services.complete:
                    self._troubles.pop(TROUBLE, None)
                if touched:
                    on_change(touched)

    def _say(self, reason: str) -> None:
        log.warning("does not follow the feed", reason=reason)
        self._services.broken()
        self._measure()
        self._troubles[TROUBLE] = f"commands are done, but the feed is not followed: {reason}"

    def _measure(self) -> None:
        services, metrics = self._services, self._metrics
        metrics.view_complete.set(services.complete)
        metrics.view_services.set(len(services))
        if services.told_at is not None:
            metrics.view_told_at.set(services.told_at.timestamp())
