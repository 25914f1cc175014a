"""The services of the Swarm as the feed tells of them: a snapshot, then every event laid over it. Pure.

Of each service only what is needed is kept: about a thousand bytes for each that there is. By id: a name can be another
service's before the removal of the one that had it is told.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.commands import COMMAND_ID
from funswarm.state import COMMAND_LABEL, AnyState, Condition, ServiceState, UpdateStatus


@dataclass(frozen=True, slots=True)
class Seen:
    """A service as it was told last.

    `command`: the one that wrote its spec, by the label; `spec`: equal for equal specs; `rollout`: None where none was
    since the last write. `is_proven`: once it has converged nothing more is to be waited for, see `_is_proven`.
    """

    id: str
    name: str
    version: int
    command: str | None
    spec: str
    condition: Condition
    rollout: UpdateStatus | None
    is_proven: bool

    @classmethod
    def of(cls, state: ServiceState) -> "Seen":
        """What is kept of a state."""
        text, label = json.dumps(state.spec, sort_keys=True), state.labels.get(COMMAND_LABEL)
        return cls(
            id=state.id,
            name=state.name,
            version=state.version,
            command=label if COMMAND_ID.fullmatch(label or "") else None,
            spec=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
            condition=state.condition,
            rollout=state.update_status,
            is_proven=_is_proven(state),
        )


def _is_proven(state: ServiceState) -> bool:
    """Whether its tasks run for good once they do: Swarm looks after a rollout, a health check passes before a task
    counts as running, a job's tasks have ended. Of any other task the end may come in its first seconds.
    """
    template = state.spec.get("TaskTemplate") or {}
    test = ((template.get("ContainerSpec") or {}).get("Healthcheck") or {}).get("Test") or ["NONE"]
    looked_after = state.update_status is not None and state.update_status.state.endswith("completed")
    return looked_after or state.replicas == 0 or state.mode.endswith("job") or test != ["NONE"]


class Services:
    """Which services there are, and since when that is known.

    `complete`: a snapshot is read, and no event since is missing. `told_at`: when the poller saw the newest change.
    """

    def __init__(self) -> None:
        self.complete = False
        self.told_at: datetime | None = None
        self._seen: dict[str, Seen] = {}  # by id
        self._ids: dict[str, str] = {}  # by name, the last that was told of
        self._coming: dict[str, Seen] = {}

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def names(self) -> list[str]:
        """The names of all; of those known, where it is not `complete`."""
        return [one.name for one in self._seen.values()]

    def seen(self, service_id: str) -> Seen | None:
        """None: there is none with this id, as far as is known."""
        return self._seen.get(service_id)

    def name_of(self, service_id: str) -> str | None:
        """None: there is none with this id, as far as is known."""
        one = self._seen.get(service_id)
        return None if one is None else one.name

    def id_of(self, name: str) -> str | None:
        """None: there is none of this name, as far as is known."""
        return self._ids.get(name)

    def take(self, item: Item) -> set[str]:
        """The next of the feed; the names and ids of those services of which something may have changed.

        Raises:
            Failed: the event is not understood.
        """
        match item:
            case SnapshotBegin():
                self._coming = {}
            case Snapshotted(state):
                self._keep(self._coming, state)
            case SnapshotEnd():
                before, self._seen, self._coming = self._seen, self._coming, {}
                self._ids = {one.name: one.id for one in self._seen.values()}
                self.complete = True
                return _ids_and_names([*before.values(), *self._seen.values()])
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
            self._seen.pop(event.object_id, None)
            if self._ids.get(event.name) == event.object_id:
                del self._ids[event.name]
        else:
            self._keep(self._seen, event.after)
            self._ids[event.name] = event.object_id
        self.told_at = event.observed_at
        return {event.object_id, event.name}

    @staticmethod
    def _keep(known: dict[str, Seen], state: AnyState) -> None:
        if isinstance(state, ServiceState):
            known[state.id] = Seen.of(state)


def _ids_and_names(services: Iterable[Seen]) -> set[str]:
    return {word for one in services for word in (one.id, one.name)}
