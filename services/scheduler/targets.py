"""Which service or node a target means, so that commands by name and by id of one of them keep their order.

I/O: asks the engine where the feed has not told.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from funswarm.commands import BatchCommand, Command, NodeCommand
from funswarm.errors import FunswarmError
from services.scheduler.fold import Services
from services.scheduler.lanes import lane_of_batch
from services.scheduler.ports import EngineCalls
from services.scheduler.raw_service import name

ID: Final = re.compile(r"[a-z0-9]{25}")  # as Swarm makes them
KNOWN_MAX: Final = 10_000
PATIENCE_S: Final = 2.0


class Targets:
    """Names by id, as they were first told: a service keeps its own, and a node that changes its hostname is rare."""

    def __init__(self, engine: EngineCalls, services: Services) -> None:
        self._engine = engine
        self._services = services
        self._names: dict[str, str] = {}

    async def lane_of(self, command: Command) -> str:
        """The service's name, or `node:<hostname>`: that of `target` itself where it is a name, or not told in time."""
        if isinstance(command, BatchCommand):
            return lane_of_batch(command.id)
        if isinstance(command, NodeCommand):
            return f"node:{await self._named(command.target, self._hostname)}"
        return self._services.name_of(command.target) or await self._named(command.target, self._service)

    async def _named(self, target: str, ask: Callable[[str], Awaitable[str | None]]) -> str:
        if not ID.fullmatch(target):
            return target
        if target not in self._names:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found = await ask(target)
            except (FunswarmError, TimeoutError):
                return target
            if found is None:
                return target
            if len(self._names) >= KNOWN_MAX:
                self._names.clear()
            self._names[target] = found
        return self._names[target]

    async def _service(self, target: str) -> str | None:
        service = await self._engine.service_json(target)
        return name(service) if service else None

    async def _hostname(self, target: str) -> str | None:
        node = await self._engine.node_json(target)
        return (node.get("Description") or {}).get("Hostname") if node else None
