"""Waiting to be woken, or for a time-out. The event loop, nothing else.

Not by `asyncio.wait_for`: in Python 3.11 it can swallow a cancellation that comes together with the event.
"""

import asyncio
from typing import Final


class Waking:
    """What wakes one waiting task; a call that comes before the wait is not lost."""

    def __init__(self) -> None:
        self._event: Final = asyncio.Event()

    def call(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait until called, at most `timeout_s` (None: for ever); whether it was called since the last wait."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
