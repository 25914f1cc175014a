"""How a command is to be done and waited for, besides what is to be done: one value, all the way from HTTP. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from funswarm.commands import Expect

WaitFor = Literal["applied", "converged"]

WAIT_S: Final = 30.0
NOTHING_EXPECTED: Final = Expect()


@dataclass(frozen=True, slots=True)
class How:
    """Every command takes one.

    `id`: the idempotency key, None: a new one. `expect`: what must hold, else it is refused. `deadline`: refused after
    it. `dry_run`: only say what would change. `requested_by`: who asks, for the record; None: the client's name.
    `wait_s`: how long to wait for the result, 0: not at all. `traceparent`: the W3C trace that this is a part of.
    `wait_for`: whether it is enough that the command was `applied`, or its service shall have `converged` (or failed
    to, or been written anew: see `Result.convergence`, which is still pending where `wait_s` is over before).
    `namespaces`: whoever asks may act in these only; empty: everywhere.
    """

    id: str | None = None
    expect: Expect = NOTHING_EXPECTED
    deadline: datetime | None = None
    dry_run: bool = False
    requested_by: str | None = None
    wait_s: float = WAIT_S
    traceparent: str | None = None
    wait_for: WaitFor = "applied"
    namespaces: tuple[str, ...] = ()
