"""Has the engine's event stream gone silent? Pure.

Swarm tells of every stored change of a service or a node. When a full list shows one of which no event came, not even
a little after the list, then the stream drops events or is dead (a known fault of engines: it stays open, silently).
"""

from collections import OrderedDict
from typing import Final

from services.poller.known import Key

GRACE_S: Final = 2.0  # an event comes within milliseconds of the change; a busy machine may take longer


class Silence:
    """Compares what events named with what lists found."""

    def __init__(self) -> None:
        self._hinted: Final[OrderedDict[Key, float]] = OrderedDict()  # the last event of each, the oldest first
        self._suspects: Final[dict[Key, float]] = {}

    def opened(self) -> None:
        """A new stream: what went before proves nothing about it."""
        self._suspects.clear()

    def hinted(self, key: Key, now: float) -> None:
        """An event named this object."""
        self._hinted.pop(key, None)
        self._hinted[key] = now
        self._suspects.pop(key, None)

    def forget(self, before: float) -> None:
        """Events from before are no longer asked for."""
        while self._hinted:
            oldest = next(iter(self._hinted))
            if self._hinted[oldest] >= before:
                return
            del self._hinted[oldest]

    def listed(self, key: Key, since: float, now: float) -> None:
        """A list found the object changed, new or gone, against what was known at `since`, when the stream was open."""
        if self._hinted.get(key, -1.0) < since:
            self._suspects.setdefault(key, now)

    def culprits(self, now: float) -> list[Key]:
        """The objects that changed without an event, none while all is well."""
        return [key for key, at in self._suspects.items() if now - at >= GRACE_S]
