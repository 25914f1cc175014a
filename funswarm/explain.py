"""Validation errors as one line for people: where, what, and for an unknown field the nearest known one. Pure.

pydantic names things as Python has them (tuples, its own types): here they are JSON's.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError

_NO_OBJECT: Final = frozenset({"model_type", "model_attributes_type", "dict_type"})
_NO_LIST: Final = frozenset({"tuple_type", "list_type"})
_KEY: Final = "[key]"  # pydantic's word for a fault in the key itself
TEXT: Final = "[text]"  # tags of what can be one or the other: no part of the place
LIST: Final = "[list]"
NUMBER: Final = "[number]"
_ADDED: Final = frozenset({_KEY, TEXT, LIST, NUMBER})

PROBLEMS_MAX: Final = 5  # more do not help


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """As `replicas: Input should be greater than or equal to 0; prots: unknown field, did you mean ports?`.

    `model`: where its fields are known, unknown ones get a suggestion.
    """
    problems = error.errors(include_url=False)
    lines = [_line(problem, model) for problem in problems[:PROBLEMS_MAX]]
    if len(problems) > PROBLEMS_MAX:
        lines.append(f"and {len(problems) - PROBLEMS_MAX} more")
    return "; ".join(lines)


def _line(problem: Any, model: type[BaseModel] | None) -> str:
    where = ".".join(str(part) for part in place(problem["loc"]))
    what = worded(problem, model.model_fields if model else ())
    return f"{where}: {what}" if where else what


def place(loc: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where in what was given it is; without what pydantic adds."""
    return tuple(part for part in loc if part not in _ADDED)


def worded(problem: Mapping[str, Any], fields: Iterable[str]) -> str:
    """What is wrong, without where. `fields`: among which the one that was meant may be."""
    what = _what(problem, fields)
    return f"as a name: {what}" if problem["loc"][-1:] == (_KEY,) else what


def _what(problem: Mapping[str, Any], fields: Iterable[str]) -> str:
    kind, context = problem["type"], problem.get("ctx") or {}
    match kind:
        case "extra_forbidden":
            return "unknown field" + did_you_mean(str(problem["loc"][-1]), fields)
        case "union_tag_not_found":
            return f"the field {context['discriminator']} is missing"
        case "union_tag_invalid":
            return f"{context['discriminator']} {context['tag']!r} is none of {context['expected_tags']}"
        case "too_long":
            return f"at most {context['max_length']} are possible here"
        case "too_short":
            return f"at least {context['min_length']} must be here"
    if kind in _NO_OBJECT:
        return "a JSON object is needed here"
    if kind in _NO_LIST:
        return "a list is needed here"
    return str(problem["msg"]).removeprefix("Value error, ")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean …?` with the nearest known name; nothing where none is near."""
    near = get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""
