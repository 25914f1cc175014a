"""Whose turn it is: the events of one object one after the other, those of different objects side by side. Pure.

An event that is to be tried again holds back the later ones of its object, and nobody else's.
"""

import heapq
from collections import deque


class Lanes:
    """Events by their sequence; `key` names the object. Times are of any one clock, in seconds."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[int]] = {}
        self._keys: dict[int, str] = {}
        self._due: list[tuple[float, int]] = []  # a heap of the first of each lane, but for those that are taken

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, sequence: int) -> None:
        """The newest of its object."""
        self._keys[sequence] = key
        lane = self._lanes.setdefault(key, deque())
        lane.append(sequence)
        if len(lane) == 1:
            heapq.heappush(self._due, (0.0, sequence))

    def take(self, now: float) -> int | None:
        """One whose turn it is, until `finish` or `again`; None: there is none now."""
        if not self._due or self._due[0][0] > now:
            return None
        return heapq.heappop(self._due)[1]

    def wait_s(self, now: float) -> float | None:
        """Until when `take` has nothing to give, as far as is known; None: for ever."""
        return max(0.0, self._due[0][0] - now) if self._due else None

    def finish(self, sequence: int) -> None:
        """What was taken is done with."""
        key = self._keys.pop(sequence)
        lane = self._lanes[key]
        lane.popleft()
        if lane:
            heapq.heappush(self._due, (0.0, lane[0]))
        else:
            del self._lanes[key]

    def again(self, sequence: int, at: float) -> None:
        """What was taken is to be taken again, not before `at`."""
        heapq.heappush(self._due, (at, sequence))
