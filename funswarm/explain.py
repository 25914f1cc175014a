"""Validation errors as one line for people: where, what, and for an unknown field the nearest known one. Pure."""

from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError

PROBLEMS_MAX: Final = 5  # more do not help


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """As `replicas: Input should be greater than or equal to 0; prots: unknown field, did you mean ports?`.

    `model`: where its fields are known, unknown ones get a suggestion.
    """
    problems = error.errors(include_url=False, include_context=False)
    lines = [_line(problem, model) for problem in problems[:PROBLEMS_MAX]]
    if len(problems) > PROBLEMS_MAX:
        lines.append(f"and {len(problems) - PROBLEMS_MAX} more")
    return "; ".join(lines)


def _line(problem: Any, model: type[BaseModel] | None) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    what = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(str(problem["loc"][-1]), model.model_fields if model else (), n=1)
        what = "unknown field" + (f", did you mean {near[0]}?" if near else "")
    return f"{where}: {what}" if where else what
