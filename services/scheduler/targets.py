"""Which service a target means, so that commands by name and by id of one service keep their order.

I/O: asks the engine where the feed has not told.
"""

import asyncio
import re
from typing import Final

from funswarm.errors import FunswarmError
from services.scheduler.fold import Services
from services.scheduler.ports import EngineCalls
from services.scheduler.raw_service import name

ID: Final = re.compile(r"[a-z0-9]{25}")  # as Swarm makes them
KNOWN_MAX: Final = 10_000
PATIENCE_S: Final = 2.0


class Targets:
    """Names by id: neither ever changes, so they are kept."""

    def __init__(self, engine: EngineCalls, services: Services) -> None:
        self._engine = engine
        self._services = services
        self._names: dict[str, str] = {}

    async def service_of(self, target: str) -> str:
        """The service's name; `target` itself where it is a name, or where the engine does not tell in time."""
        if not ID.fullmatch(target):
            return target
        if (known := self._services.name_of(target)) is not None:
            return known
        if target not in self._names:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    service = await self._engine.service_json(target)
            except (FunswarmError, TimeoutError):
                return target
            if service is None:
                return target
            if len(self._names) >= KNOWN_MAX:
                self._names.clear()
            self._names[target] = name(service)
        return self._names[target]
