"""Which command ends the scheduler's process: it would come again to each copy, and end it again. I/O by the store.

Only what two copies in a row had in hand is suspected, so that no other command costs a write. Suspects are read and
tried one at a time, each noted before as one more death and cleared afterwards: what the note survives is a death.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from funswarm.errors import Failed
from funswarm.messages import Code
from services.scheduler.ports import Delivery, Store

CROWD: Final = 2  # deliveries at which it was tried among others


class Deadly(Failed):
    """It has ended the scheduler too often."""


class Suspects:
    """`deliveries_max`: at how many of them a command may end the process, before it is given up."""

    def __init__(self, store: Store, deliveries_max: int) -> None:
        self._store = store
        self._deaths_max = deliveries_max - CROWD
        self._alone = asyncio.Lock()

    def trying(self, delivery: Delivery, *, reading: bool = False) -> AbstractAsyncContextManager[None]:
        """Around what may end the process. `reading`: the try itself is still to come, and may have been the deaths.

        Raises:
            Deadly: not again.
            Unavailable: NATS is away.
        """
        return nullcontext() if delivery.inherited < CROWD else self._trying_alone(delivery, reading=reading)

    @asynccontextmanager
    async def _trying_alone(self, delivery: Delivery, *, reading: bool) -> AsyncIterator[None]:
        async with self._alone:
            deaths = await self._store.deaths(delivery.sequence)
            if deaths >= self._deaths_max:
                raise Deadly(
                    f"it ended the scheduler itself at each of {deaths + CROWD} deliveries: given up. Whether it had "
                    "its effect is not known: look, before you ask again",
                    Code.INTERNAL,
                )
            await self._store.note_deaths(delivery.sequence, deaths + 1)
            try:
                yield
            finally:
                await self._store.note_deaths(delivery.sequence, deaths if reading else 0)
