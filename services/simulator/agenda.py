"""Time in the simulated Swarm: a heap of what is due when, so that a Swarm at rest costs nothing.

No I/O: a driver (server.py, or a test) asks `next_due` and calls `run_due` then. An action re-reads what it acts on, so
nothing is ever cancelled.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class Clock(Protocol):
    """Unix time in seconds."""

    def now(self) -> float:
        """Seconds since 1970."""


class WallClock:
    """The machine's time of day at the start, moved on by its monotonic clock: it never jumps back."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._base + time.monotonic()


class ManualClock:
    """A clock that a test moves."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time


class Agenda:
    """Actions by the time at which they are due; equal times keep their order."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.wake: Action = lambda: None
        """Called when a new action is due before all others: the driver's hook."""
        self._heap: list[tuple[float, int, Action]] = []
        self._running_at: float | None = None
        self._sequence = itertools.count()

    def now(self) -> float:
        """Seconds since 1970. The time stands still while actions run.

        So what they begin together stays together, as the tasks that one look at a service makes, which Swarm's
        scheduler places as one batch; and what is due some time after a moment that they noted is not due before it.
        """
        return self.clock.now() if self._running_at is None else self._running_at

    def after(self, delay_s: float, action: Action) -> None:
        """Have `action` run in `delay_s` seconds."""
        due = self.now() + delay_s
        earliest = not self._heap or due < self._heap[0][0]
        heapq.heappush(self._heap, (due, next(self._sequence), action))
        if earliest:
            self.wake()

    def next_due(self) -> float | None:
        """When the next action is due, in the clock's time; None when nothing is."""
        return self._heap[0][0] if self._heap else None

    def run_due(self, limit: int = 500) -> None:
        """Run what is due now: at most `limit` actions, so that a driver can serve others in between."""
        self._running_at = now = self.clock.now()
        try:
            for _ in range(limit):
                if not self._heap or self._heap[0][0] > now:
                    return
                heapq.heappop(self._heap)[2]()
        finally:
            self._running_at = None

    def run_for(self, clock: ManualClock, duration_s: float) -> None:
        """Let `duration_s` pass on a test's clock, running all that falls due, each at its own time."""
        end = clock.time + duration_s
        while self._heap and self._heap[0][0] <= end:
            clock.time = max(clock.time, self._heap[0][0])
            self.run_due()
        clock.time = end
