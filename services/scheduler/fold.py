"""The services of the Swarm as the feed tells of them: a snapshot, then every event laid over it. Pure.

Of each service only what is needed is kept, its id and name: a few hundred bytes for each that there is. By id: a name
can be another service's before the removal of the one that had it is told.
"""

from collections.abc import Collection
from datetime import datetime

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted


class Services:
    """Which services there are, and since when that is known.

    `complete`: a snapshot is read, and no event since is missing. `told_at`: when the poller saw the newest change.
    """

    def __init__(self) -> None:
        self.complete = False
        self.told_at: datetime | None = None
        self._names: dict[str, str] = {}  # by id
        self._coming: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._names)

    @property
    def names(self) -> Collection[str]:
        """The names of all; of those known, where it is not `complete`."""
        return self._names.values()

    def name_of(self, service_id: str) -> str | None:
        """None: there is none with this id, as far as is known."""
        return self._names.get(service_id)

    def take(self, item: Item) -> set[str]:
        """The next of the feed; the names and ids of those services of which something may have changed.

        Raises:
            Failed: the event is not understood.
        """
        match item:
            case SnapshotBegin():
                self._coming = {}
            case Snapshotted(state):
                self._coming[state.id] = state.name
            case SnapshotEnd():
                before, self._names, self._coming = self._names, self._coming, {}
                self.complete = True
                return {*before, *before.values(), *self._names, *self._names.values()}
            case Changed():
                return self._change(item)
            case Relisted():
                self.complete = False
        return set()

    def broken(self) -> None:
        """The feed has ended: what is known stays, but may be outdated."""
        self.complete = False

    def _change(self, item: Changed) -> set[str]:
        event = item.event
        if event.after is None:
            self._names.pop(event.object_id, None)
        else:
            self._names[event.object_id] = event.after.name
        self.told_at = event.observed_at
        return {event.object_id, event.name}
