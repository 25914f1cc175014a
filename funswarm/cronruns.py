"""The runs of cron jobs: what became of each, as the scheduler tells it and the command line shows it. Pure models.

How one travels: a decision of the policy `cron`, on `<p>.decision.cron.<service>`, has a `CronRun` among its inputs.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from funswarm.decisions import Decision
from funswarm.state import Published

INPUT: Final = "run"  # where it is among a decision's inputs
LAST: Final = "last"  # where the run is that had ended before


class CronOutcome(StrEnum):
    """`replaced`: stopped by the next run. `stopped`: by somebody. `skipped`: another run was under way, or Swarm would
    not. `missed`: it came too late. `queued`: it waits for another run. `unknown`: its tasks were gone before they were
    seen, or nobody told what became of its command; that it was not done may be told later.
    """

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REPLACED = "replaced"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    MISSED = "missed"
    QUEUED = "queued"
    UNKNOWN = "unknown"


class CronTask(Published):
    """One task of a run. `seconds`: from its creation to its end."""

    place: str
    node: str | None = None
    state: str
    exit_code: int | None = None
    error: str | None = None
    seconds: float | None = None


class CronRun(Published):
    """One run. `slot`: when it was due, None: it was asked for by hand. `late_s`: how much later it was begun.

    `attempt`: 0 at first. `seconds`: from the first task's creation to the last one's end. `replaces`: the run, by
    `key`, that it has stopped. `missed`: how many before it were not run, being too late.
    """

    key: str
    outcome: CronOutcome
    slot: datetime | None = None
    attempt: int = 0
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    late_s: float | None = None
    seconds: float | None = None
    reason: str = ""
    replaces: str | None = None
    missed: int = 0
    tasks: tuple[CronTask, ...] = ()


def run_of(decision: Decision) -> CronRun | None:
    """The run that a decision is about; None: it is about none, or did not pass."""
    return None if decision.limiter is not None else _read(decision, INPUT)


def last_of(decision: Decision) -> CronRun | None:
    """The run that had ended before the decision; None: none had."""
    return _read(decision, LAST)


def _read(decision: Decision, name: str) -> CronRun | None:
    given: Any = decision.inputs.get(name)
    if given is None:
        return None
    try:
        return CronRun.model_validate(given)
    except ValidationError:
        return None


def history(decisions: Iterable[Decision]) -> tuple[CronRun, ...]:
    """The runs that decisions tell of, the newest first. `decisions`: the newest first."""
    runs: dict[str, CronRun] = {}
    replaced: set[str] = set()
    for decision in decisions:
        for run in (run_of(decision), last_of(decision)):
            if run is None:
                continue
            if run.replaces is not None:
                replaced.add(run.replaces)
            is_replaced = run.key in replaced and run.outcome is CronOutcome.RUNNING
            told = run.model_copy(update={"outcome": CronOutcome.REPLACED}) if is_replaced else run
            runs.setdefault(run.key, told)
    return tuple(runs.values())
