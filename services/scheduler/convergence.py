"""What the Swarm made of a command that was applied: converged, failed and why, or superseded. Pure.

The command's result -> `Watch`, which looks at the service each time it is told of -> `Convergence`, once. The poller
judges how a service does (its condition); here it is judged whether that is still what the command wrote, and when it
is final: a service that has just converged may fall in its first seconds (docker's own CLI waits 5 s), and one that is
stalled may yet be helped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from funswarm.commands import Command, CreateCommand
from funswarm.messages import Convergence, ConvergenceStatus, Result
from funswarm.state import ConditionStatus, TaskState
from services.scheduler.fold import Seen

VERBS: Final = frozenset({"create", "update", "scale", "restart", "rollback", "run"})  # after which there is to wait
ERRORS_MAX: Final = 20
ERROR_MAX: Final = 4000  # characters
CLOCKS_DIFFER_S: Final = 60.0  # the engine's clock and ours, at most
_TROUBLES: Final = (ConditionStatus.STALLED, ConditionStatus.DEGRADED)


@dataclass(frozen=True, slots=True)
class Patience:
    """`stable_s`: how long a service must stay converged; `stalled_s`: how long it may be stalled; `settle_s`: all."""

    stable_s: float = 5.0
    stalled_s: float = 30.0
    settle_s: float = 1800.0


DEFAULT_PATIENCE: Final = Patience()


def first_convergence(command: Command, *, changed: bool, now: datetime) -> Convergence | None:
    """What the first result says: pending; converged where there is nothing to run; None: nothing to wait for."""
    if not changed or command.dry_run or command.verb not in VERBS:
        return None
    if isinstance(command, CreateCommand) and command.service.replicas == 0:
        return Convergence(status=ConvergenceStatus.CONVERGED, at=now)
    return Convergence(status=ConvergenceStatus.PENDING)


class Watch:
    """One command whose outcome is awaited; `result` is its first."""

    def __init__(self, result: Result, patience: Patience) -> None:
        self.result = result
        self.was_seen = False
        self._patience = patience
        self._written: str | None = None  # the spec, once it was told
        self._good_since: datetime | None = None
        self._bad_since: datetime | None = None

    def look(self, service: Seen, now: datetime) -> Convergence | None:
        """The verdict on the service as it is; None: not yet."""
        if service.version <= (self.result.written_from or 0):
            return None  # as it was before
        self.was_seen = True
        rollout = service.rollout
        went_back = rollout is not None and rollout.state.startswith("rollback") and self.result.verb != "rollback"
        if not self._is_written(service):
            if rollout is None or not went_back:
                return superseded(_by(service, self.result), now)
            return None if rollout.state == "rollback_started" else failed(f"rolled back: {rollout.message}", now)
        if rollout is not None and rollout.state.endswith("paused"):
            return failed(service.condition.reason or rollout.message or rollout.state, now)
        return self._judge(service, now)

    def overdue(self, service: Seen | None, now: datetime) -> Convergence | None:
        """The verdict where time is up, whatever else may come; None: it is not."""
        if (now - self.result.finished_at).total_seconds() < self._patience.settle_s:
            return None
        why = "nothing was told of it" if service is None else service.condition.reason or service.condition.status
        return failed(f"has not settled within {self._patience.settle_s:g} s: {why}", now)

    def _is_written(self, service: Seen) -> bool:
        """Whether the spec is still what the command wrote. A rollback bears the label of who wrote it at first."""
        if self._written is None and (service.command == self.result.command_id or self.result.verb == "rollback"):
            self._written = service.spec
        return service.spec == self._written

    def _judge(self, service: Seen, now: datetime) -> Convergence | None:
        status, reason = service.condition.status, service.condition.reason
        if status is ConditionStatus.CONVERGED or (status, self.result.verb) == (
            ConditionStatus.ROLLED_BACK, "rollback",
        ):  # fmt: skip
            self._good_since = self._good_since or now
            is_stable = service.is_proven or _past(self._good_since, self._patience.stable_s, now)
            return Convergence(status=ConvergenceStatus.CONVERGED, at=now) if is_stable else None
        self._good_since = None
        if status in _TROUBLES:  # between two crashes a service looks well: that does not end the trouble
            self._bad_since = self._bad_since or now
            if _past(self._bad_since, self._patience.stalled_s, now):
                return failed(reason or status.value, now)
        return None


def failed(reason: str, now: datetime) -> Convergence:
    """It will not become what was wanted, as far as can be seen."""
    return Convergence(status=ConvergenceStatus.FAILED, reason=reason[:ERROR_MAX], at=now)


def superseded(reason: str, now: datetime) -> Convergence:
    """Something else is wanted of the service now."""
    return Convergence(status=ConvergenceStatus.SUPERSEDED, reason=reason, at=now)


def task_errors(tasks: Iterable[TaskState], result: Result) -> tuple[str, ...]:
    """What went wrong with the tasks that the command brought, each text once, the newest first."""
    since = result.finished_at - timedelta(seconds=CLOCKS_DIFFER_S)
    own = [
        task for task in tasks if task.error and task.created_at and datetime.fromisoformat(task.created_at) >= since
    ]
    own.sort(key=lambda task: task.timestamp, reverse=True)
    texts = dict.fromkeys((task.error or "")[:ERROR_MAX] for task in own)
    return tuple(texts)[:ERRORS_MAX]


def _by(service: Seen, result: Result) -> str:
    known = service.command not in (None, result.command_id)
    return f"written since by {service.command!r}" if known else "written since by somebody else"


def _past(since: datetime, seconds: float, now: datetime) -> bool:
    return (now - since).total_seconds() >= seconds
