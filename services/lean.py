"""Small states: the engine makes a hundred thousand of them, the poller keeps them. Nothing that they say changes."""

from sys import intern
from typing import Final, TypeVar

from funswarm.state import State

S = TypeVar("S", bound=State)

_FIELDS: Final[dict[type, set[str]]] = {}  # one set for all states of a type
_COMMON: Final = ("service_id", "service_name", "node_id", "node_name", "state", "desired_state", "message", "image")


def lean(state: S) -> S:
    """The state itself, in less than half of the memory.

    Its own record of which fields were set (equality and JSON do not look at it) gives way to one for all; texts that
    many states have are one text.
    """
    kind = type(state)
    shared = _FIELDS.get(kind) or _FIELDS.setdefault(kind, set(kind.model_fields))
    if state.__pydantic_fields_set__ is shared:
        return state
    object.__setattr__(state, "__pydantic_fields_set__", shared)
    values = state.__dict__
    for name in _COMMON:
        if isinstance(value := values.get(name), str):
            values[name] = intern(str(value))
    return state
