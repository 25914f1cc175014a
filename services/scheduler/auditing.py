"""Writes a record of each command that has ended, many at a time, and only then acknowledges it. I/O: the store.

Who waits for a result has it before: this costs no command any time. A crash in between leaves the command in the
queue; the successor finds the result, and writes the record (again).
"""

import asyncio
from typing import Final

import structlog

from funswarm.errors import TemporaryError
from funswarm.records import CommandRecord
from services.gathering import gathered
from services.scheduler.ports import Delivery, Store

BATCH_MAX: Final = 256
RETRY_S: Final = 0.5

log = structlog.get_logger(__name__)


class Auditor:
    """`add` what has ended; `run` writes it, until it is cancelled. What is waiting is bounded by what is in hand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Delivery, CommandRecord]] = []
        self._news = asyncio.Event()

    def add(self, delivery: Delivery, record: CommandRecord) -> None:
        """To be written, then acknowledged."""
        self._waiting.append((delivery, record))
        self._news.set()

    async def run(self) -> None:
        """
        Raises:
            PermanentError: NATS refuses a record.
        """
        while True:
            await self._news.wait()
            await gathered(lambda: len(self._waiting), BATCH_MAX)
            try:
                await self.flush()
            except TemporaryError as error:
                log.warning("records wait", count=len(self._waiting), reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write all that waits.

        Raises:
            Unavailable: NATS is away.
            PermanentError: NATS refuses a record.
        """
        while self._waiting:
            batch = self._waiting[:BATCH_MAX]
            await self._store.audit([record for _, record in batch])
            del self._waiting[: len(batch)]
            for delivery, _ in batch:
                await _acknowledge(delivery)
        self._news.clear()


async def _acknowledge(delivery: Delivery) -> None:
    try:
        await delivery.ack()
    except TemporaryError as error:  # it comes again, and its result is found
        log.debug("not acknowledged", sequence=delivery.sequence, reason=str(error))
