"""The engine's lists, element by element: one that cannot be understood is reported and does not spoil the others.

Pure. Decoding one element at a time also lets other threads run in between (the json module holds the interpreter's
lock for a whole document: seconds for 100,000 tasks) and never holds all raw objects in memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from funswarm.state import AnyState
from services.lean import lean

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """An element that is no object we know; `object_id` is None where it has no readable id."""

    object_id: str | None
    reason: str


def elements(text: str) -> Iterator[Any]:
    """The elements of a JSON list; `null` is an empty list, as Go has it.

    Raises:
        ValueError: the text is not a whole JSON list.
    """
    if text.strip(_SPACE) == "null":
        return
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError(f"not a list but {text[:80]!r}")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        element, at = _DECODER.raw_decode(text, at)
        yield element
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return
        if text[at : at + 1] != ",":
            raise ValueError(f"the list breaks off after {at} characters")
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


def understood(
    kind: str,
    raws: Iterator[Any],
    known: Mapping[str, AnyState],
    convert: Callable[[dict[str, Any]], AnyState | None],
    unchanged: Callable[[dict[str, Any], AnyState], bool],
) -> tuple[list[AnyState], list[Misunderstood]]:
    """The states of raw objects, and what could not be understood.

    An object that `unchanged` says is as in `known` is returned as that very state. One that cannot be converted stays
    as it was known (not understanding an object must not look like its removal); where not even its id can be read, all
    known objects of this kind that the list lacks stay. `convert` answers None for objects that are not for us.
    """
    states: list[AnyState] = []
    problems: list[Misunderstood] = []
    for raw in raws:
        object_id = raw.get("ID", raw.get("Id")) if isinstance(raw, dict) else None
        if not isinstance(object_id, str) or not object_id:
            problems.append(Misunderstood(None, f"it has no id: {str(raw)[:200]}"))
            continue
        before = known.get(object_id)
        state: AnyState | None
        try:
            state = before if before is not None and unchanged(raw, before) else convert(raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # pydantic's ValidationError is a ValueError
            problems.append(Misunderstood(object_id, f"{type(error).__name__}: {error}"[:500]))
            state = before
        if state is not None:
            states.append(lean(state))
    if any(problem.object_id is None for problem in problems):
        seen = {state.id for state in states}
        states.extend(state for object_id, state in known.items() if object_id not in seen and state.kind == kind)
    return states, problems
