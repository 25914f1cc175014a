"""Which services are to be looked at, and when: a queue without doubles, and wake-up times. No I/O but the clock.

Fair: those whose time has come and those that were touched take turns, each first come, first served; so that what is
due at a second does not wait until thousands have been looked at, nor for what the first runs of it lead to. A service
that is touched while it is looked at is looked at once more afterwards.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

STALE_MAX: Final = 1000
TURNS: Final = 4  # of so many one is for what was touched, the others for what is due
LOOK_INTERVAL_S: Final = 1.0  # so long a jump of the clock goes unseen


class LookQueue:
    """Names; `clock`: the time of day."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._touched: dict[str, None] = {}  # in their order
        self._due: dict[str, None] = {}  # as well: those whose time has come
        self._taken = 0
        self._next = asyncio.Lock()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._wakes: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._stirred = asyncio.Event()

    def __len__(self) -> int:
        return len(self._touched.keys() | self._due.keys())

    def touch(self, names: Iterable[str]) -> None:
        """These are to be looked at as soon as may be."""
        for name in names:
            if name in self._busy:
                self._again.add(name)
            else:
                self._touched.setdefault(name)
        if self._touched:
            self._stirred.set()

    def wake(self, name: str, at: datetime | None) -> None:
        """Look at it at that time, and at no other that was said before; None: at none."""
        if at is None:
            self._wakes.pop(name, None)
        elif self._wakes.get(name) != at:
            self._wakes[name] = at
            heapq.heappush(self._heap, (at, name))
            if len(self._heap) > 2 * len(self._wakes) + STALE_MAX:  # times that are no longer meant
                self._heap = [(due, one) for one, due in self._wakes.items()]
                heapq.heapify(self._heap)
            if self._heap[0] == (at, name):
                self._stirred.set()

    async def next(self) -> str:
        """The next to be looked at; say `done` afterwards."""
        async with self._next:  # of many who wait one is woken
            return await self._wait()

    async def _wait(self) -> str:
        while True:
            self._fall_due()
            if self._touched or self._due:
                return self._take()
            self._stirred.clear()
            left_s = (self._heap[0][0] - self._clock()).total_seconds() if self._heap else LOOK_INTERVAL_S
            try:
                async with asyncio.timeout(max(0.0, min(LOOK_INTERVAL_S, left_s))):
                    await self._stirred.wait()
            except TimeoutError:
                pass

    def _take(self) -> str:
        self._taken += 1
        first, second = (self._due, self._touched) if self._taken % TURNS else (self._touched, self._due)
        name = next(iter(first or second))
        self._due.pop(name, None)
        self._touched.pop(name, None)
        self._busy.add(name)
        return name

    def done(self, name: str) -> None:
        """It was looked at."""
        self._busy.discard(name)
        if name in self._again:
            self._again.discard(name)
            self.touch([name])

    def _fall_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._wakes.get(name) == at:  # else another time was said since
                del self._wakes[name]
                if name in self._busy:
                    self._again.add(name)
                else:
                    self._due.setdefault(name)
