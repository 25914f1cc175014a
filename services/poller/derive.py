"""What is published of an object: its facts, what follows from other objects, and its place in the chain. Pure.

view + known -> `published` -> diff. A service's condition follows from its tasks, a node's `drained` from the tasks on
it. States that would not fit into a NATS message twice (an event has `before` and `after`) are slimmed here, before
they are compared, so that chain, fold and bucket agree about them.
"""

from typing import Any, Final, TypeVar

from pydantic import BaseModel

from funswarm.state import ENDED_STATES, AnyState, NodeState, ServiceState, State, TaskState
from services.poller.condition import condition
from services.poller.known import Key, Known
from services.poller.view import View

S = TypeVar("S", bound=State)

STATE_BYTES_MAX: Final = 450_000  # two of them and the rest of an event stay below NATS' 1 MB
TEXT_MAX: Final = 200  # characters of each text in a stub


def published(key: Key, view: View, known: Known) -> AnyState | None:
    """The state of the object as it is to be published (`revision` is the diff's business); None: it is gone."""
    state = view.get(key)
    if isinstance(state, ServiceState):
        before = known.get(key)
        previous = before if isinstance(before, ServiceState) else None
        now = condition(state, view.tasks_of(state.id), view.nodes(), previous)
        return slim(state if now == state.condition else state.model_copy(update={"condition": now}))
    if isinstance(state, NodeState):
        drained = is_drained(state, view)
        return slim(state if drained == state.drained else state.model_copy(update={"drained": drained}))
    return state if state is None or isinstance(state, TaskState) else slim(state)


def is_drained(node: NodeState, view: View) -> bool:
    """Whether it is to be left by its tasks, and they have left it."""
    return node.availability == "drain" and all(task.state in ENDED_STATES for task in view.tasks_on(node.id))


def slim(state: S) -> S:
    """The state itself, or if it is too large for a message the state with an empty `spec`, then with no labels."""
    for field in ("spec", "labels"):
        if field not in type(state).model_fields or len(state.model_dump_json().encode()) <= STATE_BYTES_MAX:
            continue
        state = state.model_copy(update={field: {}})
    return state


def stub(state: S) -> S:
    """What is short of a state: for an object that NATS does not take otherwise, as where it takes less than 1 MB."""
    return state.model_copy(update={name: _short(value) for name, value in state.__dict__.items() if name != "id"})


def _short(value: Any) -> Any:
    if type(value) is str:
        return value[:TEXT_MAX]
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _short(held) for name, held in value.__dict__.items()})
    return type(value)() if isinstance(value, (dict, tuple)) else value
