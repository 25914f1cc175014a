"""What the cron policy remembers of a service: how far its times have come, the run that is under way. Pure values."""

from datetime import datetime, timedelta
from typing import Final

from funswarm.cronjobs import CronJob
from funswarm.cronruns import CronOutcome, CronRun
from funswarm.state import ServiceState, Value

NOT_TOLD: Final = "nobody has told what became of its command"
TOKENS_PER_SLOT: Final = 16  # more than there are attempts


class Run(Value):
    """A run that was asked for. `token`: its tasks' ForceUpdate. `slot` None: somebody asked for it by hand.

    `tasks`: how many have to end well, None: one on each node. `applied`: the service bears its token; `iteration`: and
    is at this one, where it is a job. `ended_at`: when all its tasks were first seen to have ended.
    """

    key: str
    slot: datetime | None
    attempt: int = 0
    token: int
    tasks: int | None = None
    begun_at: datetime
    applied: bool = False
    iteration: int | None = None
    ended_at: datetime | None = None

    def told(self, outcome: CronOutcome, reason: str = "", **more: object) -> CronRun:
        """The run as it is told."""
        late_s = None if self.slot is None else (self.begun_at - self.slot).total_seconds()
        fields = {"key": self.key, "outcome": outcome, "slot": self.slot, "attempt": self.attempt, "reason": reason}
        return CronRun.model_validate({**fields, "begun_at": self.begun_at, "late_s": late_s, **more})


class Retry(Value):
    """An attempt that is to be made when its time has come."""

    slot: datetime
    attempt: int
    at: datetime


class Memory(Value):
    """`since`: what `@every` counts from. `settled`: until here each time that was due has had its turn.

    `mark`: the number of the newest run that was seen, whoever asked for it. `waiting`: times whose runs wait for
    another one to end. `last`: the last run that has ended, with few of its tasks; None: none has.
    """

    schedule: str
    since: datetime
    settled: datetime
    mark: int
    run: Run | None = None
    waiting: tuple[datetime, ...] = ()
    retry: Retry | None = None
    last: CronRun | None = None

    @property
    def unanswered(self) -> Run | None:
        """The last run, where it was given up as nobody told what became of its command; None: it was not."""
        last = self.last
        if self.run is not None or last is None or last.reason != NOT_TOLD or last.slot is None:
            return None
        token, begun_at = token_of(last.slot, last.attempt), last.begun_at or last.slot
        return Run(key=last.key, slot=last.slot, attempt=last.attempt, token=token, begun_at=begun_at)

    @classmethod
    def begun(cls, job: CronJob, service: ServiceState, now: datetime) -> "Memory":
        """Of a job that was not known before: nothing that was due until now is run."""
        return cls(schedule=identity(job), since=now, settled=now, mark=mark_of(service))

    def of(self, job: CronJob, now: datetime) -> "Memory":
        """The same; where the schedule is another one now, nothing that was due until now is run."""
        if self.schedule == identity(job):
            return self
        changed = {"schedule": identity(job), "since": now, "settled": now, "waiting": (), "retry": None}
        return self.model_copy(update=changed)


def identity(job: CronJob) -> str:
    """What makes a schedule the same."""
    return f"{job.schedule}|{job.timezone or ''}"


def force_of(service: ServiceState) -> int:
    """ForceUpdate, as the spec has it."""
    return int((service.spec.get("TaskTemplate") or {}).get("ForceUpdate") or 0)


def mark_of(service: ServiceState) -> int:
    """What every run moves on: of a job its iteration, else ForceUpdate."""
    return service.job_iteration or 0 if service.mode.endswith("job") else force_of(service)


def token_of(slot: datetime, attempt: int) -> int:
    """The number of a run: another one for each time and attempt."""
    return int(slot.timestamp()) * TOKENS_PER_SLOT + attempt


def key_of(slot: datetime, attempt: int = 0) -> str:
    """The name of a run: the same for all who decide it."""
    return f"{slot:%Y%m%dT%H%M%SZ}" + (f"-r{attempt}" if attempt else "")


def back_off(job: CronJob, attempt: int) -> timedelta:
    """How long to wait after a failed attempt: twice as long each time."""
    return timedelta(seconds=job.back_off * 2**attempt)
