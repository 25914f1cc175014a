"""`?wait=` and `?timeout=`: how long a request waits for its command, and for what. Pure."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import Field, PlainValidator

from funswarm.how import WaitFor
from services.api.settings import WAIT_MAX_S, WAIT_S

SETTLING_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """As of `How`."""

    wait_s: float
    wait_for: WaitFor


def _wait(value: Any) -> float | WaitFor:
    if value in ("applied", "converged"):
        return "converged" if value == "converged" else "applied"
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= WAIT_MAX_S:
        raise ValueError(f"use seconds from 0 to {WAIT_MAX_S:g}, `applied` or `converged`")
    return seconds


Seconds = Annotated[float, Field(ge=0, le=WAIT_MAX_S)]
Wait = Annotated[float | str, PlainValidator(_wait, json_schema_input_type=Seconds | Literal["applied", "converged"])]


WaitQuery = Annotated[
    Wait,
    Query(
        description="Seconds to wait for the result; `applied`: the same, for `timeout`; `converged`: until its "
        "service has settled, for `timeout`"
    ),
]
TimeoutQuery = Annotated[Seconds, Query(description="Seconds that `wait=converged` or `wait=applied` waits")]


async def waiting(
    wait: WaitQuery = WAIT_S,
    timeout: TimeoutQuery = SETTLING_WAIT_S,  # noqa: ASYNC109  the query's word
) -> Waiting:
    """The parameters of each command: 202 where it has not ended by then, 409 where its service did not converge."""
    return waiting_of(wait, timeout)


def waiting_of(wait: float | str, timeout: float) -> Waiting:
    """What both parameters say."""
    if wait == "converged":
        return Waiting(timeout, "converged")
    return Waiting(timeout if isinstance(wait, str) else wait, "applied")
