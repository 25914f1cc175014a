"""The names of services, nodes and networks by id, as the engine's answers told them. Kept by `Engine`, used in tasks.

Pure bookkeeping, bounded; safe to use from several threads (single dict operations).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from funswarm.state import State

SLACK: Final = 1000  # names of removed objects are kept for their last tasks, up to so many more than there are objects


class Names:
    """Ids that were asked for and are gone are kept as well: nobody asks again until the next list."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, str]] = {"service": {}, "node": {}, "network": {}}
        self._absent: dict[str, set[str]] = {kind: set() for kind in self._by_kind}

    def of(self, kind: str) -> Mapping[str, str]:
        return self._by_kind[kind]

    def learn(self, kind: str, state: State) -> None:
        if kind in self._by_kind:
            self._by_kind[kind][state.id] = state.name

    def learn_all(self, kind: str, states: Iterable[State]) -> None:
        """What a whole list of `kind` told."""
        if kind not in self._by_kind:
            return
        listed = {state.id: state.name for state in states}
        names = self._by_kind[kind] | listed
        self._by_kind[kind] = names if len(names) <= 2 * len(listed) + SLACK else listed
        self._absent[kind] = set()

    def note_absent(self, kind: str, object_id: str) -> None:
        if kind in self._absent:
            self._absent[kind].add(object_id)

    def unknown(self, kind: str, object_ids: Iterable[str]) -> list[str]:
        """Those of the ids whose names nobody has asked for yet."""
        names, absent = self._by_kind[kind], self._absent[kind]
        return sorted({one for one in object_ids if one and one not in names and one not in absent})
