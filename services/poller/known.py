"""What subscribers know: the fold of all events that NATS has acknowledged, per object. Pure.

The publisher compares the view with it and applies each acknowledged event to it, so it never runs ahead of the stream;
`restore` rebuilds it at take-over. `Key` names one object throughout the poller.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from funswarm.messages import Event
from funswarm.state import KINDS, AnyState, ServiceState
from services.lean import lean

Key = tuple[str, str]  # kind, object id

REMOVED_MAX: Final = 10_000


def key_of(state: AnyState) -> Key:
    """The key of the object whose state this is."""
    return (state.kind, state.id)


class Known:
    """The last published state of each object; objects whose last event is a removal are absent.

    `members` counts, per kind, how often an object came or went: as long as it stands, so do sorted lists of ids.
    """

    def __init__(self, states: Iterable[AnyState] = ()) -> None:
        self._states: Final[dict[str, dict[str, AnyState]]] = {kind: {} for kind in KINDS}
        self.members: Final[Counter[str]] = Counter()
        self._removed: Final[OrderedDict[Key, int]] = OrderedDict()  # the next revision; removed longest ago first
        for state in states:
            self.put(state)

    def get(self, key: Key) -> AnyState | None:
        return self._states[key[0]].get(key[1])

    def of(self, kind: str) -> dict[str, AnyState]:
        """All states of a kind by id; not to be changed."""
        return self._states[kind]

    def services(self) -> Iterator[ServiceState]:
        return (state for state in self._states["service"].values() if isinstance(state, ServiceState))

    def keys(self) -> list[Key]:
        return [(kind, object_id) for kind, states in self._states.items() for object_id in states]

    def put(self, state: AnyState) -> None:
        states = self._states[state.kind]
        if state.id not in states:
            self.members[state.kind] += 1
        states[state.id] = lean(state)

    def drop(self, key: Key) -> None:
        if self._states[key[0]].pop(key[1], None) is not None:
            self.members[key[0]] += 1

    def apply(self, event: Event) -> None:
        """Fold one event in. An event that is folded in twice changes nothing: it carries the whole state."""
        key = (event.kind, event.object_id)
        if event.after is None:
            self.drop(key)
            self._removed[key] = event.before.revision + 2 if event.before else 1
            if len(self._removed) > REMOVED_MAX:
                self._removed.popitem(last=False)
        else:
            self.put(event.after)

    def first_revision(self, key: Key) -> int:
        """The revision of a `created` of this object: 0, and on from its removal where it was removed lately.

        A list of an engine that lags behind shows an object as gone that is back in the next.
        """
        return self._removed.get(key, 0)

    def __len__(self) -> int:
        return sum(len(states) for states in self._states.values())
