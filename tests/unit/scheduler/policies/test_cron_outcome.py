"""What the cron policy makes of a run: how it ended, again, too long, parked, by hand."""

from datetime import timedelta

import pytest

from funswarm.commands import RunCommand, ScaleCommand
from funswarm.cronruns import CronOutcome
from funswarm.messages import ResultStatus
from tests.builders import a_service
from tests.unit.scheduler.policies.cron_story import CRON, Story, asked, job, minute, outcome, task, token, told


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
    assert story.look(minute(1, 1)).said is None
    run = told(story.look(minute(1, 4)))
    assert (CronOutcome.SUCCEEDED, ["beta", "alpha"]) == (run.outcome, [one.place for one in run.tasks])


def test_a_node_that_gets_no_task_of_a_global_run_is_not_waited_for_when_the_rollout_is_over():
    story = Story(job(None, mode="global"))
    before = task(token=1, slot=None, node="beta", id="before")
    story.run(minute(1), before, task(token=token(1), slot=None, node="alpha"))
    story.service = a_service(**{**dict(story.service), "update_status": "completed"})
    story.look(minute(1, 1))
    assert CronOutcome.SUCCEEDED == outcome(story.look(minute(1, 4)))


def test_of_a_global_job_the_tasks_of_all_nodes_are_waited_for_a_while():
    story = Story(job(None, mode="global-job", job_iteration=4))
    alpha, beta = (task(token=token(1), slot=None, node=node, job_iteration=5) for node in ("alpha", "beta"))
    story.run(minute(1), alpha)
    story.look(minute(1, 1))
    story.tasks += (beta,)
    assert story.look(minute(1, 3)).said is None
    assert 2 == len(told(story.look(minute(1, 4))).tasks)


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
    assert minute(62) == story.look().again_at
    assert CronOutcome.UNKNOWN == outcome(story.look(minute(62, 1)))


def given_up():
    story = Story(job(labels={"schedule": "@hourly"}))
    story.look(minute(60))
    story.look(minute(62, 1))
    return story


@pytest.mark.parametrize(
    ("status", "expected"), [(ResultStatus.REFUSED, CronOutcome.SKIPPED), (ResultStatus.FAILED, CronOutcome.FAILED)]
)
def test_what_is_told_of_a_run_that_was_given_up_is_told_once(status, expected):
    story = given_up()
    story.answer(status, "too late")
    verdict = story.look(minute(63))
    assert (expected, "20261123T130000Z") == (outcome(verdict), told(verdict).key)
    assert story.look(minute(64)).said is None


def test_a_run_that_was_given_up_and_written_after_all_is_followed_by_what_it_wrote():
    story = given_up()
    story.answer(ResultStatus.SUCCEEDED)
    assert story.look(minute(63)).said is None
    story.apply(task("running", token=story.sent.command.token))
    assert CronOutcome.RUNNING == outcome(story.look(minute(64)))


def test_a_run_that_a_restored_swarm_knows_nothing_of_is_given_up():
    story = Story(job(labels={"schedule": "@hourly"}))
    story.look(minute(60))
    story.answer(ResultStatus.SUCCEEDED)
    assert story.result is not None
    story.result = story.result.model_copy(update={"changed": True, "service_id": story.service.id, "written_from": 99})
    assert story.look(minute(69)).said is None
    assert CronOutcome.UNKNOWN == outcome(story.look(minute(70)))


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
def overdue():
    """A run that is still under way after its 10 minutes, at the very time."""
    story = Story(job(labels={"schedule": "@hourly", "timeout": "10m", "retries": "1"}))
    story.run(minute(60), task("running", token(60)))
    assert minute(70) == story.look().again_at
    return story


def test_a_run_that_takes_too_long_is_stopped_and_has_failed():
    story = overdue()
    ask = asked(story.look(minute(70)))
    assert isinstance(ask.command, ScaleCommand)
    assert (0, True, True) == (ask.command.replicas, ask.command.force, ask.finishes)
    story.answer(ResultStatus.SUCCEEDED)
    assert CronOutcome.FAILED == outcome(story.look(minute(70, 1)))


def test_nothing_is_said_of_a_stop_before_it_is_known_to_be_done():
    story = overdue()
    story.look(minute(70))
    story.tasks = (task("shutdown", token(60)),)
    waits = story.look(minute(70, 1))
    assert (None, None, True) == (waits.said, waits.ask, "under way" in (waits.claims or ""))


@pytest.mark.parametrize("status", [ResultStatus.REFUSED, ResultStatus.FAILED, None])
def test_a_run_whose_stop_was_not_done_is_under_way_still_and_stopped_again(status):
    story = overdue()
    story.look(minute(70))
    if status is not None:
        story.answer(status)
    verdict = story.look(minute(70, 5 if status is not None else 75))
    command = asked(verdict).command
    assert isinstance(command, ScaleCommand)
    assert (0, True) == (command.replicas, "under way" in (verdict.claims or ""))


def test_a_run_that_cannot_be_stopped_keeps_no_other_waiting():
    story = overdue()
    story.look(minute(70))
    story.answer(ResultStatus.FAILED)
    assert "20261123T140000Z" == asked(story.look(minute(120))).key


def test_a_run_that_ended_by_itself_while_its_stop_failed_is_told_as_it_was():
    story = overdue()
    story.look(minute(70))
    story.answer(ResultStatus.FAILED)
    story.tasks = (task("complete", token(60)),)
    assert CronOutcome.SUCCEEDED == outcome(story.look(minute(70, 5)))


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
