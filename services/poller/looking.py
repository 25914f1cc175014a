"""A service that is asked for and not known yet is looked up by its name. Asks the engine, and waits for the feed.

Who creates a service has the answer before the poller can have told the event: what it asks next would not be there.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from funswarm.errors import FunswarmError
from services.engine.client import Engine
from services.poller.known import Key, Known

PLACES: Final = 4  # with HOLD_S: at most 80 look-ups a second, whatever is asked
HOLD_S: Final = 0.05
WAIT_S: Final = 1.0
EVERY_S: Final = 0.005


class Looking:
    """Looks for services by name; `want` reads an object soon."""

    def __init__(self, engine: Engine, known: Known, want: Callable[[Key], None]) -> None:
        self._engine = engine
        self._known = known
        self._want = want
        self._free = PLACES

    async def look(self, name: str) -> None:
        """Returns when the service of this name or id is known, and after WAIT_S at the latest.

        At once where the Swarm has none, where the engine does not answer, and where too many are looked for.
        """
        if self._free <= 0:
            return
        self._free -= 1
        try:
            raw = await self._engine.service_json(name)
            if raw is not None:
                await self._until_known(("service", raw["ID"]))
        except FunswarmError:
            return  # its health says so
        finally:
            asyncio.get_running_loop().call_later(HOLD_S, self._release)

    def _release(self) -> None:
        self._free += 1

    async def _until_known(self, key: Key) -> None:
        end = time.monotonic() + WAIT_S
        self._want(key)
        while self._known.get(key) is None and time.monotonic() < end:
            await asyncio.sleep(EVERY_S)
