"""The cron policy, look by look: what is due is asked for once, what ran is judged, what came too late is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funswarm.commands import RunCommand, ScaleCommand
from funswarm.cronruns import INPUT, CronOutcome, CronRun
from funswarm.messages import Code, Result, ResultStatus
from funswarm.state import ServiceState, TaskState
from services.scheduler.policies.contract import Ask, Sent, Situation, Verdict
from services.scheduler.policies.cron import Cron
from services.scheduler.policies.cron_memory import Memory, token_of
from tests.builders import a_node, a_service, a_task

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CRON = Cron()


class World:
    """The tasks of the only service, on nodes that are ready unless `down`."""

    def __init__(self, tasks: tuple[TaskState, ...] = (), down: tuple[str, ...] = ()) -> None:
        self.told_at = NOON
        self._tasks = tasks
        self._nodes = {f"node-{name}": a_node(name, state="down") for name in down}

    def service(self, name: str) -> None:
        return None

    def services(self) -> tuple[ServiceState, ...]:
        return ()

    def tasks_of(self, service_id: str) -> tuple[TaskState, ...]:
        return self._tasks

    def nodes(self) -> dict[str, Any]:
        return self._nodes


def job(replicas: int | None = 0, token: int = 1, mode: str = "replicated", condition: str = "none", **fields: Any):
    """A service with an every-minute job; `labels`: more of ours, `_` for `-`."""
    more = {f"funswarm.cron.{key.replace('_', '-')}": value for key, value in fields.pop("labels", {}).items()}
    labels = {"funswarm.cron.schedule": "* * * * *", **more}
    template = {"ForceUpdate": token, "RestartPolicy": {"Condition": condition}}
    return a_service("backup", replicas=replicas, mode=mode, labels=labels, spec={"TaskTemplate": template}, **fields)


def task(state: str = "complete", token: int = 1, slot: int | None = 1, **fields: Any) -> TaskState:
    wanted = "running" if state in ("running", "starting") else "shutdown"
    return a_task("backup", slot, state=state, force_update=token, **{"desired_state": wanted, **fields})


class Story:
    """One service through time, as the frame goes through it: what is asked passes, unless `barred`."""

    def __init__(self, service: ServiceState, at: datetime = NOON) -> None:
        self.service, self.now = service, at
        self.memory: Memory | None = None
        self.tasks: tuple[TaskState, ...] = ()
        self.down: tuple[str, ...] = ()
        self.sent: Sent | None = None
        self.result: Result | None = None
        self.look()

    def look(self, at: datetime | None = None, *, barred: bool = False) -> Verdict[Memory]:
        self.now = at or self.now
        settings = CRON.parse(self.service).settings
        situation = Situation(
            self.now,
            "backup",
            self.service,
            settings,
            self.memory,
            World(self.tasks, self.down),
            self.sent,
            self.result,
        )
        verdict = CRON.decide(situation)
        assert verdict == CRON.decide(replace(situation)), "the same situation gives the same verdict"
        self.memory = verdict.memory
        if verdict.ask is not None and not barred:
            self.memory = verdict.ask.memory or verdict.memory
            key, command = verdict.ask.key or "none", verdict.ask.command
            self.sent = Sent(key=key, command=command, at=self.now, until=self.now + timedelta(seconds=60))
            self.result = None
        return verdict

    def run(self, at: datetime, *tasks: TaskState) -> Verdict[Memory]:
        """A run is due, and its write is told of, with tasks."""
        verdict = self.look(at)
        self.apply(*tasks)
        return verdict

    def apply(self, *tasks: TaskState) -> None:
        assert self.sent is not None
        command = self.sent.command
        assert isinstance(command, RunCommand)
        template = {**self.service.spec["TaskTemplate"], "ForceUpdate": command.token}
        update = {"spec": {"TaskTemplate": template}, "replicas": command.replicas, "version": self.service.version + 1}
        if self.service.mode.endswith("job"):
            update["job_iteration"] = (self.service.job_iteration or 0) + 1
        self.service = self.service.model_copy(update=update)
        self.tasks = tasks

    def answer(self, status: ResultStatus, reason: str = "because") -> None:
        assert self.sent is not None
        self.result = Result(
            command_id="c", verb="run", target="backup", status=status, code=Code.ROLLOUT, reason=reason,
            finished_at=self.now,
        )  # fmt: skip


def minute(number: int, second: float = 0) -> datetime:
    return NOON + timedelta(minutes=number, seconds=second)


def token(number: int, attempt: int = 0) -> int:
    return token_of(minute(number), attempt)


def told(verdict: Verdict[Memory]) -> CronRun:
    assert verdict.said is not None
    return CronRun.model_validate(verdict.said.inputs[INPUT])


def asked(verdict: Verdict[Memory]) -> Ask[Memory]:
    assert verdict.ask is not None
    return verdict.ask


def outcome(verdict: Verdict[Memory]) -> CronOutcome:
    return told(verdict).outcome


# When.
def test_what_was_due_before_the_job_was_known_is_not_run():
    story = Story(job(), at=minute(0, 30))
    assert (None, minute(1)) == (story.look().ask, story.look().again_at)


def test_a_run_is_asked_for_when_its_time_has_come():
    story = Story(job())
    assert story.look(minute(0, 59.9)).ask is None
    ask = asked(story.look(minute(1)))
    assert isinstance(ask.command, RunCommand)
    assert ("20261123T120100Z", 1, token(1)) == (ask.key, ask.command.replicas, ask.command.token)


def test_a_time_has_its_turn_once():
    story = Story(job())
    story.run(minute(1), task(token=token(1)))
    story.look()
    assert (None, minute(2)) == (story.look(minute(1, 30)).ask, story.look(minute(1, 30)).again_at)


def test_what_is_held_back_stays_due():
    story = Story(job())
    assert story.look(minute(1), barred=True).ask is not None
    assert asked(story.look(minute(1, 10))).key == "20261123T120100Z"


def test_another_schedule_begins_now():
    story = Story(job())
    story.service = job(labels={"schedule": "@hourly"})
    assert (None, minute(60)) == (story.look(minute(10)).ask, story.look(minute(10)).again_at)


def test_a_run_waits_for_its_jitter_which_is_the_same_for_all():
    story, other = Story(job(labels={"jitter": "30s"})), Story(job(labels={"jitter": "30s"}))
    at = story.look().again_at
    assert at is not None
    assert minute(1) < at < minute(1, 30)
    assert (at, None) == (other.look().again_at, story.look(at - timedelta(milliseconds=1)).ask)
    assert story.look(at).ask is not None


# Too late.
def test_a_run_that_is_later_than_its_deadline_is_missed():
    story = Story(job(labels={"starting_deadline": "30s"}))
    verdict = story.look(minute(1, 31))
    assert (None, CronOutcome.MISSED, minute(1)) == (verdict.ask, outcome(verdict), told(verdict).slot)


def test_with_a_deadline_of_0_no_run_is_too_late():
    story = Story(job(labels={"starting_deadline": "0", "schedule": "@hourly"}))
    assert asked(story.look(minute(119))).key == "20261123T130000Z"


def test_of_several_that_were_missed_none_is_run():
    verdict = Story(job(labels={"starting_deadline": "1s"})).look(minute(5, 30))
    assert (None, 4) == (verdict.ask, told(verdict).missed)


def test_of_several_that_were_missed_the_last_is_run_where_that_is_asked_for():
    verdict = Story(job(labels={"starting_deadline": "1s", "catch_up": "last"})).look(minute(5, 30))
    assert ("20261123T120500Z", 4) == (asked(verdict).key, told(verdict).missed)


def test_all_that_were_missed_are_run_one_after_the_other_where_that_is_asked_for():
    story = Story(job(labels={"catch_up": "all"}))
    for number in (1, 2, 3):
        assert f"20261123T120{number}00Z" == asked(story.look(minute(3, 30))).key
        story.apply(task(token=token(number)))
        assert CronOutcome.SUCCEEDED == outcome(story.look())
    assert story.look().ask is None


def test_at_most_ten_are_caught_up_with():
    story = Story(job(labels={"catch_up": "all"}))
    verdict = story.look(minute(60, 30))
    assert story.memory is not None
    assert ("20261123T125100Z", 9, 1) == (asked(verdict).key, len(story.memory.waiting), told(verdict).missed)


# While another one is under way.
def test_a_run_replaces_the_one_before():
    story = Story(job())
    story.run(minute(1), task("running", token(1)))
    verdict = story.look(minute(2))
    assert ("20261123T120200Z", "20261123T120100Z") == (asked(verdict).key, told(verdict).replaces)


def test_a_run_is_skipped_while_another_one_is_under_way():
    story = Story(job(labels={"overlap": "skip"}))
    story.run(minute(1), task("running", token(1)))
    verdict = story.look(minute(2))
    assert (None, CronOutcome.SKIPPED) == (verdict.ask, outcome(verdict))


@pytest.mark.parametrize("others", [task("running"), task("starting"), task("running", desired_state="shutdown")])
def test_a_run_is_skipped_while_tasks_of_nobodys_run_are_there(others):
    story = Story(job(labels={"overlap": "skip"}))
    story.tasks = (others,)
    assert CronOutcome.SKIPPED == outcome(story.look(minute(1)))


@pytest.mark.parametrize("others", [task("complete"), task("failed"), task("orphaned")])
def test_tasks_that_have_ended_are_in_nobodys_way(others):
    story = Story(job(labels={"overlap": "skip"}))
    story.tasks = (others,)
    assert story.look(minute(1)).ask is not None


def test_a_task_on_a_node_that_is_down_is_in_nobodys_way():
    story = Story(job(labels={"overlap": "skip"}))
    story.tasks, story.down = (task("running", desired_state="shutdown", node="beta"),), ("beta",)
    assert story.look(minute(1)).ask is not None


def test_a_run_waits_for_the_one_before():
    story = Story(job(labels={"overlap": "queue"}))
    story.run(minute(1), task("running", token(1)))
    assert CronOutcome.QUEUED == outcome(story.look(minute(2)))
    story.tasks = (task("complete", token(1)),)
    story.look()
    assert asked(story.look()).key == "20261123T120200Z"


def test_of_those_that_wait_the_last_is_run():
    story = Story(job(labels={"overlap": "queue"}))
    story.run(minute(1), task("running", token(1)))
    story.look(minute(2))
    story.look(minute(3))
    assert story.memory is not None
    assert (minute(3),) == story.memory.waiting


# What became of it.
def test_a_run_succeeds_when_all_its_tasks_are_complete():
    story = Story(job(labels={"replicas": "2"}))
    story.run(minute(1), task(token=token(1)))
    assert story.look().said is None
    story.tasks += (task(token=token(1), slot=2, id="other"),)
    run = told(story.look())
    assert (CronOutcome.SUCCEEDED, minute(1), ["1", "2"]) == (run.outcome, run.slot, [one.place for one in run.tasks])


def test_a_run_fails_with_the_exit_code_and_the_node_of_its_task():
    story = Story(job())
    story.run(minute(1), task("failed", token(1), exit_code=3, error="task: non-zero exit (3)", node="beta"))
    run = told(story.look())
    assert (CronOutcome.FAILED, 3, "beta") == (run.outcome, run.tasks[0].exit_code, run.tasks[0].node)
    assert "exit code 3" in run.reason


def test_the_tasks_of_other_runs_say_nothing():
    story = Story(job())
    story.run(minute(1), task("failed", token=1))
    assert story.look().said is None


def test_a_task_that_swarm_starts_again_has_not_failed_yet():
    story = Story(job(condition="on-failure"))
    story.run(minute(1), task("failed", token(1), exit_code=1))
    verdict = story.look()
    assert (None, minute(1, 3)) == (verdict.said, verdict.again_at)
    story.tasks += (task("running", token(1), id="second", created_at="2026-11-23T12:01:02Z"),)
    assert story.look(minute(1, 10)).said is None
    story.tasks = (story.tasks[0], task("complete", token(1), id="second", created_at="2026-11-23T12:01:02Z"))
    assert CronOutcome.SUCCEEDED == outcome(story.look(minute(1, 11)))


def test_a_task_that_swarm_does_not_start_again_has_failed():
    story = Story(job(condition="on-failure"))
    story.run(minute(1), task("failed", token(1), exit_code=1))
    story.look()
    assert CronOutcome.FAILED == outcome(story.look(minute(1, 3)))


def test_a_run_whose_tasks_are_told_to_stop_was_stopped():
    story = Story(job())
    story.run(minute(1), task("shutdown", token(1)))
    assert CronOutcome.STOPPED == outcome(story.look())


def test_a_run_whose_node_is_gone_was_stopped():
    story = Story(job())
    story.down = ("beta",)
    story.run(minute(1), task("running", token(1), desired_state="shutdown", node="beta"))
    assert CronOutcome.STOPPED == outcome(story.look())


def test_a_run_that_was_scaled_down_in_between_is_judged_by_what_is_left():
    story = Story(job(labels={"replicas": "2"}))
    story.run(minute(1), task(token=token(1)))
    story.service = story.service.model_copy(update={"replicas": 1})
    assert CronOutcome.SUCCEEDED == outcome(story.look())


def test_a_global_run_lasts_until_all_nodes_had_their_turn():
    story = Story(job(None, mode="global"))
    before = task(token=1, slot=None, node="beta", id="before")
    story.run(minute(1), before, task(token=token(1), slot=None, node="alpha"))
    story.service = a_service(**{**dict(story.service), "update_status": "updating"})
    assert story.look().said is None
    story.tasks += (task(token=token(1), slot=None, node="beta"),)
    run = told(story.look())
    assert (CronOutcome.SUCCEEDED, ["beta", "alpha"]) == (run.outcome, [one.place for one in run.tasks])


def test_a_node_that_gets_no_task_of_a_global_run_is_not_waited_for_when_the_rollout_is_over():
    story = Story(job(None, mode="global"))
    before = task(token=1, slot=None, node="beta", id="before")
    story.run(minute(1), before, task(token=token(1), slot=None, node="alpha"))
    story.service = a_service(**{**dict(story.service), "update_status": "completed"})
    assert CronOutcome.SUCCEEDED == outcome(story.look())


def test_a_run_of_a_job_is_told_apart_by_its_iteration():
    story = Story(job(0, mode="replicated-job", job_iteration=4))
    story.run(minute(1), task(token=token(1), slot=None, job_iteration=4))
    assert story.look().said is None
    story.tasks = (task(token=token(1), slot=None, job_iteration=5),)
    assert CronOutcome.SUCCEEDED == outcome(story.look())


def test_a_run_that_was_refused_is_skipped_and_the_reason_told():
    story = Story(job())
    story.look(minute(1))
    story.answer(ResultStatus.REFUSED, "a rollout is in progress")
    run = told(story.look(minute(1, 1)))
    assert (CronOutcome.SKIPPED, True) == (run.outcome, "a rollout is in progress" in run.reason)


def test_a_run_that_swarm_would_not_do_has_failed():
    story = Story(job())
    story.look(minute(1))
    story.answer(ResultStatus.FAILED, "no")
    assert CronOutcome.FAILED == outcome(story.look(minute(1, 1)))


def test_a_run_of_which_nobody_tells_is_given_up():
    story = Story(job(labels={"schedule": "@hourly"}))
    story.look(minute(60))
    assert (None, None) == (story.look(minute(61, 59)).said, story.look(minute(61, 59)).ask)
    assert CronOutcome.UNKNOWN == outcome(story.look(minute(62, 1)))


# By hand.
def test_a_run_by_hand_is_followed_too():
    story = Story(job())
    story.service = job(replicas=1, token=2)
    assert CronOutcome.RUNNING == outcome(story.look(minute(0, 10)))
    story.tasks = (task("failed", token=2, exit_code=1),)
    run = told(story.look(minute(0, 20)))
    assert ("hand-2", CronOutcome.FAILED, None) == (run.key, run.outcome, run.slot)


def test_a_write_that_runs_nothing_is_no_run():
    story = Story(job())
    story.service = job(replicas=1, labels={"replicas": "3"})
    assert story.look(minute(0, 10)).said is None


def test_a_run_by_hand_replaces_the_run_that_is_under_way():
    story = Story(job())
    story.run(minute(1), task("running", token(1)))
    story.look()
    story.service = job(replicas=1, token=99)
    assert "20261123T120100Z" == told(story.look(minute(1, 10))).replaces


# Again.
def test_a_run_that_failed_is_tried_again_with_a_growing_back_off():
    story = Story(job(labels={"schedule": "@hourly", "retries": "2", "back_off": "10s"}))
    at = minute(60)
    for attempt, wait_s in ((0, 10), (1, 20)):
        story.run(at, task("failed", token(60, attempt), exit_code=1))
        story.look()
        assert (None, at + timedelta(seconds=wait_s)) == (story.look().ask, story.look().again_at)
        at += timedelta(seconds=wait_s)
        assert f"20261123T130000Z-r{attempt + 1}" == asked(story.look(at, barred=True)).key
    story.run(at, task("failed", token(60, 2), exit_code=1))
    story.look()
    assert minute(120) == story.look().again_at


def test_the_next_run_ends_the_attempts_of_the_one_before():
    story = Story(job(labels={"retries": "2", "back_off": "5m"}))
    story.run(minute(1), task("failed", token(1)))
    story.look()
    story.run(minute(2), task("complete", token(2)))
    story.look()
    assert story.memory is not None
    assert story.memory.retry is None


# Too long, and parked.
def test_a_run_that_takes_too_long_is_stopped_and_has_failed():
    story = Story(job(labels={"schedule": "@hourly", "timeout": "10m"}))
    story.run(minute(60), task("running", token(60)))
    assert minute(70) == story.look().again_at
    verdict = story.look(minute(70))
    ask = asked(verdict)
    assert isinstance(ask.command, ScaleCommand)
    assert (0, True, True) == (ask.command.replicas, ask.command.force, ask.finishes)
    assert CronOutcome.FAILED == outcome(verdict)


def test_a_job_that_takes_too_long_is_parked():
    story = Story(job(1, mode="replicated-job", labels={"timeout": "10s"}))
    story.run(minute(1), task("running", token(1), job_iteration=1))
    command = asked(story.look(minute(1, 10))).command
    assert isinstance(command, RunCommand)
    assert command.replicas == 0


def test_a_service_is_parked_when_its_run_has_ended_and_that_is_asked_for():
    story = Story(job(labels={"park": "true"}))
    story.run(minute(1), task(token=token(1)))
    assert CronOutcome.SUCCEEDED == outcome(story.look())
    command = asked(story.look(minute(1, 1))).command
    assert isinstance(command, ScaleCommand)
    assert command.replicas == 0


def test_a_service_is_not_parked_otherwise():
    story = Story(job())
    story.run(minute(1), task(token=token(1)))
    story.look()
    assert story.look(minute(1, 1)).ask is None


def test_a_service_is_not_parked_before_its_first_run():
    story = Story(job(replicas=1, labels={"park": "true"}))
    story.tasks = (task("complete"),)
    assert story.look(minute(0, 1)).ask is None


# Claims and problems.
def test_nobody_else_writes_while_a_run_is_under_way():
    story = Story(job())
    story.run(minute(1), task("running", token(1)))
    assert "under way" in (story.look().claims or "")


def test_a_service_whose_tasks_are_started_again_for_ever_is_told():
    (problem,) = CRON.parse(job(condition="any")).problems
    assert ("cron", True) == (problem.source, "restart_policy.condition" in problem.reason)
