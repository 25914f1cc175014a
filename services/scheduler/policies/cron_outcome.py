"""What became of a run, by its tasks: those that bear its number. Pure.

A place (slot, or node) has ended well when one of its tasks is complete, badly when its newest has ended otherwise and
Swarm makes no other. Where the restart policy may make one, it is waited for some seconds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from funswarm.cronruns import CronOutcome, CronTask
from funswarm.messages import Result, ResultStatus
from funswarm.state import ENDED_STATES, NodeState, ServiceState, TaskState
from services.scheduler.policies.cron_memory import NOT_TOLD, Run
from services.scheduler.policies.record import moment

GRACE: Final = timedelta(seconds=3)  # within which Swarm makes a task in the place of a failed one, and on each node
LOST_AFTER: Final = timedelta(minutes=10)
TASKS_TOLD_MAX: Final = 20
ERROR_MAX: Final = 300
_GIVEN_UP: Final = frozenset({"shutdown", "remove"})
_FAILED: Final = frozenset({"failed", "rejected", "orphaned"})


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    outcome: CronOutcome
    reason: str
    tasks: tuple[CronTask, ...] = ()
    seconds: float | None = None


def not_done(result: Result | None) -> End:
    """Of a run whose command was not done; None: as far as anybody has told."""
    if result is None:
        return End(CronOutcome.UNKNOWN, NOT_TOLD)
    outcome = CronOutcome.SKIPPED if result.status is ResultStatus.REFUSED else CronOutcome.FAILED
    return End(outcome, f"the run was {result.status.value}: {result.reason}")


@dataclass(frozen=True, slots=True)
class Scene:
    """A service with its tasks and the nodes."""

    service: ServiceState
    tasks: tuple[TaskState, ...]
    nodes: Mapping[str, NodeState]

    @property
    def is_active(self) -> bool:
        """Whether a task of it runs, or is about to."""
        return any(self._is_active(task) for task in self.tasks)

    def _is_active(self, task: TaskState) -> bool:
        if self.has_ended(task):
            return False
        return task.desired_state not in _GIVEN_UP or task.state == "running"

    def has_ended(self, task: TaskState) -> bool:
        """Also where its node is down, so that nobody will tell of its end."""
        node = self.nodes.get(task.node_id or "")
        lost = task.desired_state in _GIVEN_UP and node is not None and node.state == "down"
        return task.state in ENDED_STATES or lost

    def of(self, run: Run) -> dict[str, list[TaskState]]:
        """The run's tasks by place, in each the oldest first."""
        places: dict[str, list[TaskState]] = {}
        for task in sorted(self.tasks, key=lambda one: (one.created_at, one.id)):
            if task.force_update == run.token and run.iteration in (None, task.job_iteration):
                places.setdefault(self._place(task), []).append(task)
        return places

    def awaits_turns(self, places: Collection[str]) -> bool:
        """Whether Swarm goes from node to node, and some have had no task of the run yet."""
        rollout = self.service.update_status
        is_rolling = rollout is not None and rollout.state == "updating"
        return is_rolling and not {self._place(task) for task in self.tasks} <= set(places)

    def _place(self, task: TaskState) -> str:
        if self.service.mode.startswith("global"):
            return task.node_name or task.node_id or ""
        return str(task.slot or 0)


def end_of(run: Run, scene: Scene, now: datetime) -> End | None:
    """How the run ended; None: it has not, as far as can be seen."""
    places, service = scene.of(run), scene.service
    newest = [tasks[-1] for tasks in places.values()]
    good = sum(any(task.state == "complete" for task in tasks) for tasks in places.values())
    wanted = _wanted(run, service, len(places))
    have_ended = all(map(scene.has_ended, newest))
    seconds = _seconds(task for tasks in places.values() for task in tasks)
    if not newest:
        gone = service.replicas == 0 or now - run.begun_at > LOST_AFTER
        return End(CronOutcome.UNKNOWN, "there are no tasks of it") if gone else None
    if service.mode == "global" and scene.awaits_turns(places):
        return None
    has_rested = run.ended_at is not None and now - run.ended_at >= GRACE
    if run.tasks is None and have_ended and not has_rested:  # on other nodes some may still be to come
        return None
    if good >= wanted > 0:
        return End(CronOutcome.SUCCEEDED, _counted(good, "completed", seconds), _told(places), seconds)
    if not have_ended or len(places) < wanted:
        return None
    bad = [task for task in newest if task.state in _FAILED]
    if bad and _is_restarted(service) and not has_rested:
        return None
    if bad:
        why = dict.fromkeys(_why(task) for task in bad)
        reason = f"{_counted(len(bad), 'failed', seconds)}: {'; '.join(list(why)[:3])}"
        return End(CronOutcome.FAILED, reason, _told(places), seconds)
    reason = f"{_counted(len(newest) - good, 'were stopped', seconds)} before they had ended"
    return End(CronOutcome.STOPPED, reason, _told(places), seconds)


def all_ended(run: Run, scene: Scene) -> bool:
    """Whether all tasks that there are of it have ended."""
    places = scene.of(run)
    return bool(places) and all(scene.has_ended(tasks[-1]) for tasks in places.values())


def _wanted(run: Run, service: ServiceState, places: int) -> int:
    """How many places have to end well; where it was scaled down since, only those that there are."""
    if run.tasks is None or service.replicas == 0:
        return places
    return run.tasks if service.replicas is None else min(run.tasks, service.replicas)


def _is_restarted(service: ServiceState) -> bool:
    restart = (service.spec.get("TaskTemplate") or {}).get("RestartPolicy") or {}
    return restart.get("Condition") != "none"


def _told(places: Mapping[str, list[TaskState]]) -> tuple[CronTask, ...]:
    """The newest task of each place."""
    found = [
        CronTask(
            place=place,
            node=tasks[-1].node_name,
            state=tasks[-1].state,
            exit_code=tasks[-1].exit_code,
            error=tasks[-1].error and tasks[-1].error[:ERROR_MAX],
            seconds=_seconds(tasks[-1:]),
        )
        for place, tasks in sorted(places.items(), key=lambda one: (len(one[0]), one[0]))
    ]
    return tuple(found[:TASKS_TOLD_MAX])


def _seconds(tasks: Iterable[TaskState]) -> float | None:
    """From the first one's creation to the last one's end, by Swarm's clock."""
    ended = [task for task in tasks if task.timestamp and task.created_at]
    if not ended:
        return None
    span = max(moment(task.timestamp) for task in ended) - min(moment(task.created_at) for task in ended)
    return round(span.total_seconds(), 3)


def _counted(count: int, what: str, seconds: float | None) -> str:
    after = "" if seconds is None else f" after {seconds:.1f} s"
    return f"{count} task{'' if count == 1 else 's'} {what}{after}"


def _why(task: TaskState) -> str:
    error = (task.error or task.message or task.state)[:ERROR_MAX]
    return f"exit code {task.exit_code}" if task.exit_code else error
