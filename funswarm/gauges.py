"""Numbers that others tell the autoscaler, on NATS subjects that no stream keeps. Pure.

`<p>.gauge.<service>`: a number, as text or JSON, or a step up or down. `<p>.usage.<node id>`: what tasks of a node use.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AllowInfNan, Field, ValidationError, model_validator

from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.state import Published, Value

BODY_BYTES_MAX: Final = 4096
TASKS_MAX: Final = 10_000  # of a node

Number = Annotated[float, AllowInfNan(allow_inf_nan=False), Field(ge=0)]
Way = Literal["up", "down"]


class Push(Value):
    """`value`: what is to be shared out to tasks now; `step`: some more or fewer of them. One of the two."""

    value: Number | None = None
    step: Way | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.value is None) == (self.step is None):
            raise ValueError("give exactly one of value and step")
        return self


class TaskUse(Published):
    """Of one task: processors (1.5: one and a half) in the time since the last report, and bytes of memory."""

    processors: Number
    memory_bytes: int = Field(ge=0)


class Usage(Published):
    """Of all tasks of a node, by id."""

    tasks: dict[str, TaskUse] = Field(max_length=TASKS_MAX)


def read_push(body: bytes) -> Push:
    """What was pushed: `12.5`, `{"value": 12.5}` or `{"step": "up"}`.

    Raises:
        InvalidRequest: it is none of these.
    """
    if len(body) > BODY_BYTES_MAX:
        raise InvalidRequest(f"{len(body)} bytes are more than the {BODY_BYTES_MAX} of a number")
    try:
        return Push.model_validate_json(body) if body.lstrip().startswith(b"{") else Push(value=float(body))
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from error
    except ValueError as error:
        raise InvalidRequest(f"{body[:40]!r} is no number") from error
