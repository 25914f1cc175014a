"""What the cron policy makes of one service now: one step each time that it is asked. Pure.

Begin to remember; see whether the run under way has been applied, has ended, or takes too long; then whether another
one is due. Of those steps the first that has something to say or to do is the verdict.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from funswarm.commands import Command, Expect, RunCommand, ScaleCommand
from funswarm.cronjobs import RUNS_MAX, CronJob
from funswarm.cronruns import INPUT, LAST, CronOutcome, CronRun
from funswarm.messages import Result
from funswarm.timetable import Timetable
from services.scheduler.policies.contract import UNNAMED, Ask, Said, Sent, Situation, Verdict
from services.scheduler.policies.cron_memory import Memory, Retry, Run, back_off, force_of, key_of, mark_of, token_of
from services.scheduler.policies.cron_outcome import GRACE, End, Scene, all_ended, end_of, not_done
from services.scheduler.policies.record import succeeded, underway, unseen
from services.scheduler.raw_service import ROLLING

ANY_VERSION: Final = Expect(absent=False)  # a run writes whatever version there is, in the gates of the safe write
PATIENCE_MIN_S: Final = 30.0  # for the write of a run, while a rollout is under way
PATIENCE_MAX_S: Final = 600.0
UNANSWERED: Final = timedelta(seconds=60)
TASKS_KEPT_MAX: Final = 5  # of the last run
LOOK_AGAIN: Final = timedelta(seconds=5)

CronSituation = Situation[CronJob, Memory]
CronVerdict = Verdict[Memory]


class Look:
    """One look at a service."""

    def __init__(self, situation: CronSituation) -> None:
        assert situation.service is not None and situation.settings is not None, "as the contract says"  # noqa: PT018
        self._now = situation.now
        self._situation = situation
        self._service, self._job = situation.service, situation.settings
        before = situation.memory
        self._is_new = before is None
        self._memory = Memory.begun(self._job, self._service, self._now) if before is None else before
        self._memory = self._memory.of(self._job, self._now)
        world = situation.world
        self._scene = Scene(self._service, world.tasks_of(self._service.id), world.nodes())

    def verdict(self) -> CronVerdict:
        if self._is_new:
            return self._rest(Said(f"follows its schedule; next: {self._next()}"))
        ends = (self._applied, self._answered, self._by_hand, self._stopped, self._ended, self._overdue)
        steps = (*ends, self._due, self._waited, self._retried)
        found = next((verdict for step in steps if (verdict := step()) is not None), None)
        return found or self._parked() or self._rest()

    # The run that is under way.
    def _applied(self) -> CronVerdict | None:
        """Of a run that was asked for: the service bears its token now, or never will."""
        run, result = self._memory.run, self._result()
        if run is None or run.applied:
            return None
        written = succeeded(result)
        if force_of(self._service) == run.token or (written and not unseen(result, self._service, self._now)):
            applied = run.model_copy(update={"applied": True, "iteration": self._service.job_iteration})
            self._memory = self._memory.model_copy(update={"run": applied, "mark": mark_of(self._service)})
            return None
        if result is not None and not written:
            return self._end(run, not_done(result))
        sent = self._situation.sent
        if result is None and (sent is None or self._now > sent.until + UNANSWERED):
            return self._end(run, not_done(None))
        return self._rest()

    def _answered(self) -> CronVerdict | None:
        """A run was given up, and now its command's result is known. What was done is seen by what it wrote instead."""
        run, sent, result = self._memory.unanswered, self._situation.sent, self._situation.result
        if run is None or sent is None or sent.key != run.key or result is None or succeeded(result):
            return None
        return self._end(run, not_done(result))

    def _by_hand(self) -> CronVerdict | None:
        """Somebody else has run it."""
        mark, before = mark_of(self._service), self._memory.run
        if mark == self._memory.mark:
            return None
        self._memory = self._memory.model_copy(update={"mark": mark})
        if self._service.replicas == 0:
            return None
        run = Run(
            key=f"hand-{mark}", slot=None, token=force_of(self._service), tasks=self._service.replicas,
            begun_at=self._now, applied=True, iteration=self._service.job_iteration,
        )  # fmt: skip
        hand = self._situation.hand
        by = f"command {hand.command}" if hand is not None and hand.command is not None else "somebody"
        self._memory = self._memory.model_copy(update={"run": run, "retry": None})
        told = run.told(CronOutcome.RUNNING, f"{by} has run it", replaces=before and before.key)
        return self._rest(self._said(told))

    def _stopped(self) -> CronVerdict | None:
        """It was asked to be stopped, as it took too long: whether that was done; where not, it is asked for again."""
        run, timeout_s, result = self._memory.run, self._job.timeout, self._situation.result
        if run is None or timeout_s is None or (stop := self._stop_of(run)) is None:
            return None
        if succeeded(result):
            return self._end(run, End(CronOutcome.FAILED, f"it took longer than {timeout_s:g} s, and was stopped"))
        return self._rest() if underway(stop, result, self._now) else None

    def _stop_of(self, run: Run) -> Sent | None:
        """The command that was to stop it, if that was the last one."""
        sent = self._situation.sent
        if sent is None or sent.at < run.begun_at or not isinstance(sent.command, ScaleCommand | RunCommand):
            return None
        return sent if sent.command.replicas == 0 else None

    def _ended(self) -> CronVerdict | None:
        run = self._memory.run
        if run is None or not run.applied:
            return None
        if (end := end_of(run, self._scene, self._now)) is not None:
            return self._end(run, end)
        if run.ended_at is None and all_ended(run, self._scene):
            run = run.model_copy(update={"ended_at": self._now})
        elif run.ended_at is not None and not all_ended(run, self._scene):
            run = run.model_copy(update={"ended_at": None})
        self._memory = self._memory.model_copy(update={"run": run})
        return None

    def _overdue(self) -> CronVerdict | None:
        """It takes longer than it may: stop it, where Swarm has a way to."""
        run, timeout_s = self._memory.run, self._job.timeout
        if run is None or not run.applied or timeout_s is None:
            return None
        if self._now < run.begun_at + timedelta(seconds=timeout_s):
            return None
        if self._stop_of(run) is not None and (due := self._due()) is not None:  # in vain: it keeps no other waiting
            return due
        late = f"it takes longer than {timeout_s:g} s"
        if self._service.mode.startswith("global"):
            reason = f"{late}; the tasks of a {self._service.mode} service cannot be stopped"
            return self._end(run, End(CronOutcome.FAILED, reason))
        stop: Command
        if self._service.mode == "replicated":
            stop = ScaleCommand(id=UNNAMED, target=self._service.name, replicas=0, force=True, expect=ANY_VERSION)
        else:
            stop = RunCommand(id=UNNAMED, target=self._service.name, replicas=0, expect=ANY_VERSION)
        ask: Ask[Memory] = Ask(stop, direction="down", finishes=True, in_rollout=True)
        return self._rest(Said(f"the run {run.key} is stopped: {late}"), ask)

    def _end(self, run: Run, end: End) -> CronVerdict:
        """Remember that it has ended, and tell it."""
        retry, reason = None, end.reason
        if end.outcome is CronOutcome.FAILED and run.slot is not None and run.attempt < self._job.retries:
            at = self._now + back_off(self._job, run.attempt)
            retry = Retry(slot=run.slot, attempt=run.attempt + 1, at=at)
            reason += f"; tried again at {at:%H:%M:%S %Z}"
        told = run.told(end.outcome, reason, ended_at=self._now, seconds=end.seconds, tasks=end.tasks)
        last = told.model_copy(update={"tasks": end.tasks[:TASKS_KEPT_MAX]})
        self._memory = self._memory.model_copy(update={"run": None, "retry": retry, "last": last})
        return replace(self._rest(self._said(told)), again_at=self._now)

    # The next one.
    def _due(self) -> CronVerdict | None:
        memory, job = self._memory, self._job
        if (first := self._next()) is None or first > self._now:
            return None
        slots = self._come()
        runs = self._chosen(slots)
        settled = memory.model_copy(update={"settled": slots[-1]})
        missed = len(slots) - len(runs)
        if not runs:
            self._memory = settled
            late = f"more than {job.starting_deadline:g} s after its time"
            return self._not_run(slots[-1], CronOutcome.MISSED, late, missed - 1)
        waits = job.catch_up == "all" and (len(runs) > 1 or memory.waiting)
        if self._is_busy and (waits or job.overlap == "queue"):
            self._memory = settled.model_copy(update={"waiting": self._queued(runs)})
            return self._not_run(runs[-1], CronOutcome.QUEUED, "the run before is still under way", missed)
        if self._is_busy and job.overlap == "skip":
            self._memory = settled
            return self._not_run(runs[-1], CronOutcome.SKIPPED, "the run before is still under way", missed)
        rest = settled.model_copy(update={"waiting": tuple(runs[1:])})
        return self._begin(runs[0], 0, rest, missed)

    def _come(self) -> list[datetime]:
        """The times that have come, and all before each of them: of many the last, in their order."""
        memory, timetable = self._memory, self._job.timetable
        surely = self._now - timedelta(seconds=self._job.jitter)
        slots = sorted(islice(timetable.newest(memory.since, memory.settled, surely), RUNS_MAX + 1))
        for _ in range(RUNS_MAX):  # more have their turn at the next look
            slot = next_after(timetable, memory.since, slots[-1] if slots else memory.settled)
            if slot is None or self._late(slot) < timedelta():
                break
            slots.append(slot)
        return slots

    def _chosen(self, slots: list[datetime]) -> list[datetime]:
        """Those of the times that have come that are to be run."""
        if self._job.catch_up == "all":
            return slots[-RUNS_MAX:]
        deadline_s = self._job.starting_deadline
        in_time = deadline_s == 0 or self._late(slots[-1]).total_seconds() <= deadline_s
        return slots[-1:] if in_time or self._job.catch_up == "last" else []

    def _queued(self, runs: list[datetime]) -> tuple[datetime, ...]:
        """A queue of one; of ten where all are to be caught up with."""
        length = RUNS_MAX if self._job.catch_up == "all" else 1
        return (*self._memory.waiting, *runs)[-length:]

    def _waited(self) -> CronVerdict | None:
        memory = self._memory
        if not memory.waiting or self._is_busy:
            return None
        return self._begin(memory.waiting[0], 0, memory.model_copy(update={"waiting": memory.waiting[1:]}))

    def _retried(self) -> CronVerdict | None:
        retry = self._memory.retry
        if retry is None or self._is_busy or self._now < retry.at:
            return None
        return self._begin(retry.slot, retry.attempt, self._memory)

    def _begin(self, slot: datetime, attempt: int, rest: Memory, missed: int = 0) -> CronVerdict:
        """Ask for a run; `rest`: what is remembered besides, if the frame lets it pass."""
        service, before = self._service, self._memory.run
        count = self._count()
        run = Run(
            key=key_of(slot, attempt), slot=slot, attempt=attempt, token=token_of(slot, attempt), tasks=count,
            begun_at=self._now,
        )  # fmt: skip
        patience_s = min(max(self._job.starting_deadline, PATIENCE_MIN_S), PATIENCE_MAX_S)
        command = RunCommand(
            id=UNNAMED, target=service.name, replicas=count, token=run.token, expect=ANY_VERSION,
            deadline=self._now + timedelta(seconds=patience_s),
        )  # fmt: skip
        reason = f"due at {slot:%Y-%m-%d %H:%M:%S %Z}" + (f", attempt {attempt + 1}" if attempt else "")
        told = run.told(CronOutcome.RUNNING, reason, missed=missed, replaces=before and before.key)
        memory = rest.model_copy(update={"run": run, "retry": None})
        return self._rest(self._said(told), Ask(command, memory, run.key, "up", in_rollout=True))

    def _count(self) -> int | None:
        """How many tasks a run has; None: one on each node."""
        service, wanted = self._service, self._job.replicas
        if service.mode == "replicated":
            return wanted or 1
        return wanted or service.replicas or 1 if service.mode == "replicated-job" else None

    def _parked(self) -> CronVerdict | None:
        """Back to 0 replicas, where that is asked for, and nothing runs or is about to."""
        memory, service = self._memory, self._service
        rolling = service.update_status is not None and service.update_status.state in ROLLING
        idle = not (self._is_busy or memory.waiting or memory.retry or rolling)
        if not (self._job.park and idle and memory.last and service.mode == "replicated" and service.replicas):
            return None
        ask: Ask[Memory] = Ask(ScaleCommand(id=UNNAMED, target=service.name, replicas=0), direction="down")
        return self._rest(Said(f"parked after the run {memory.last.key}", _input(LAST, memory.last)), ask)

    # What they have in common.
    @property
    def _is_busy(self) -> bool:
        return self._memory.run is not None or self._scene.is_active

    def _late(self, slot: datetime) -> timedelta:
        return self._now - slot - self._jitter(slot)

    def _jitter(self, slot: datetime) -> timedelta:
        """The same for all who decide it."""
        if not self._job.jitter:
            return timedelta()
        share = int.from_bytes(sha256(f"{self._service.id} {slot}".encode()).digest()[:4]) / 2**32
        return timedelta(seconds=self._job.jitter * share)

    def _result(self) -> Result | None:
        """Of the run's command; None: it has not ended, or another command was the last."""
        run, sent = self._memory.run, self._situation.sent
        return self._situation.result if run is not None and sent is not None and sent.key == run.key else None

    def _not_run(self, slot: datetime, outcome: CronOutcome, reason: str, missed: int) -> CronVerdict:
        told = CronRun(key=key_of(slot), outcome=outcome, slot=slot, reason=reason, missed=max(0, missed))
        return replace(self._rest(self._said(told)), again_at=self._now)

    def _next(self) -> datetime | None:
        slot = next_after(self._job.timetable, self._memory.since, self._memory.settled)
        return None if slot is None else slot + self._jitter(slot)

    def _said(self, run: CronRun) -> Said:
        """With the run that has ended before it, so that what a crash kept from being told is told with the next."""
        more = f"; {run.missed} before it were missed" if run.missed else ""
        what = "run" if run.outcome is CronOutcome.RUNNING else f"the run {run.key} {run.outcome.value}"
        last = self._memory.last
        inputs = _input(INPUT, run) | (_input(LAST, last) if last is not None else {})
        return Said(f"{what}: {run.reason}{more}", inputs, happened=True)

    def _rest(self, said: Said | None = None, ask: Ask[Memory] | None = None) -> CronVerdict:
        """Remember, and look again when there may be something to do without anything being told."""
        run, retry = self._memory.run, self._memory.retry
        times = [self._next(), retry.at if retry is not None else None]
        if run is not None and self._job.timeout is not None:
            times.append(run.begun_at + timedelta(seconds=self._job.timeout))
        if run is not None and run.ended_at is not None:
            times.append(run.ended_at + GRACE)
        if run is not None and not run.applied and self._situation.sent is not None:
            times.append(self._situation.sent.until + UNANSWERED)
        at = min((time for time in times if time is not None), default=None)
        if at is not None and at <= self._now:  # what is to be done now is held back
            at = self._now + LOOK_AGAIN
        claims = None if run is None else f"the run {run.key} is under way"
        return Verdict(self._memory, ask, said, claims, at)


def _input(name: str, run: CronRun) -> dict[str, Any]:
    return {name: run.model_dump(mode="json", exclude_defaults=True)}


@lru_cache(maxsize=32_768)
def next_after(timetable: Timetable, since: datetime, moment: datetime) -> datetime | None:
    """As the timetable's, which takes some milliseconds where it is far: it is asked for at each look."""
    return timetable.next_after(since, moment)
