"""Which changes a reader wants, as filters of NATS and as a test of states. Pure."""

import itertools
from dataclasses import dataclass
from typing import Final

from funswarm.errors import InvalidRequest
from funswarm.state import KINDS, AnyState, event_names
from funswarm.subjects import Subjects, token

FILTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """Which changes are wanted; an empty set: all. `names`: an object's name; of tasks, their service's.

    Raises:
        InvalidRequest: there is no such kind.
    """

    kinds: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if unknown := sorted(self.kinds.difference(KINDS)):
            raise InvalidRequest(f"kinds {', '.join(unknown)}: choose from {', '.join(KINDS)}")

    def filters(self, subjects: Subjects) -> list[str]:
        """The selection as subjects' filters, which do not overlap; one for all where they would be too many."""
        kinds = [token(kind) for kind in sorted(self.kinds)] or ["*"]
        actions = [token(action) for action in sorted(self.actions)] or ["*"]
        heads = [subjects.event(kind, action) for kind, action in itertools.product(kinds, actions)]
        names = [token(name) for name in sorted(self.names)]
        tails = [*names, *(f"{name}.*" for name in names)] or [">"]
        filters = [f"{head}.{tail}" for head, tail in itertools.product(heads, tails)]
        return filters if len(filters) <= FILTERS_MAX else [subjects.all_events]

    def takes(self, kind: str, action: str, name: str) -> bool:
        """Whether this event is wanted; `name` as a subject's token, of a task its service's."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.actions or action in self.actions)
            and (not self.names or any(name == token(wanted) for wanted in self.names))
        )

    def takes_state(self, state: AnyState) -> bool:
        return (not self.kinds or state.kind in self.kinds) and (not self.names or event_names(state)[0] in self.names)
