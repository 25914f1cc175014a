"""What policies decide, and why: on `<p>.decision.<policy>.<service>`, for people and for the record. Pure models."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from funswarm.state import Published


class DecisionOutcome(StrEnum):
    """`commanded`: a command was submitted. `blocked`: it would be, but `limiter`. `dry-run`: only told.

    `nothing`: there is nothing to do now, and why. `happened`: something has come to pass, as the end of a run.
    `failed`: the policy could not decide, a fault of Funswarm's.
    """

    COMMANDED = "commanded"
    BLOCKED = "blocked"
    DRY_RUN = "dry-run"
    NOTHING = "nothing"
    HAPPENED = "happened"
    FAILED = "failed"


class Decision(Published):
    """One decision of one policy about one service. Told when it differs from the policy's last for that service.

    `verb`: of the command that is wanted. `before`, `after`: replicas, where it is about them. `inputs`: what it was
    made from; `formula`: how, with the numbers in it; `limiter`: what kept it from going further, or at all.
    """

    id: str
    time: datetime
    policy: str
    service: str
    service_id: str | None = None
    outcome: DecisionOutcome
    reason: str
    verb: str | None = None
    before: int | None = None
    after: int | None = None
    command_id: str | None = None
    inputs: dict[str, Any] = {}
    formula: str | None = None
    limiter: str | None = None


class DecisionPage(Published):
    """The newest first."""

    items: tuple[Decision, ...] = Field(())


def plainly(decision: Decision) -> str:
    """One decision in plain words, one line."""
    what = decision.reason
    if decision.verb == "scale" and decision.after is not None:
        what = f"{decision.before} → {decision.after} replicas: {what}"
    elif decision.verb is not None:
        what = f"{decision.verb}: {what}"
    words = {
        DecisionOutcome.COMMANDED: "did", DecisionOutcome.BLOCKED: "wanted", DecisionOutcome.DRY_RUN: "would",
        DecisionOutcome.NOTHING: "rests", DecisionOutcome.HAPPENED: "saw", DecisionOutcome.FAILED: "failed",
    }  # fmt: skip
    text = f"{decision.policy} {words[decision.outcome]} {what}"
    text += f" [{decision.formula}]" if decision.formula else ""
    return text + (f"; held back: {decision.limiter}" if decision.limiter else "")
