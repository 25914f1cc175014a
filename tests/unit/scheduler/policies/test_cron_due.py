"""When the cron policy asks for a run: once for each time, not too late, and not over another one."""

from datetime import timedelta

import pytest

from funswarm.commands import RunCommand
from funswarm.cronruns import CronOutcome
from tests.unit.scheduler.policies.cron_story import Story, asked, job, minute, outcome, task, token, told


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


def test_runs_whose_jitter_is_longer_than_their_interval_come_in_order():
    story, keys = Story(job(labels={"jitter": "1h"})), []
    for number in range(1, 180):
        if (ask := story.look(minute(number)).ask) is not None and isinstance(ask.command, RunCommand):
            keys.append(ask.key or "")
            story.apply(task(token=ask.command.token or 0))
            story.look()
    assert sorted(set(keys)) == keys != []


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
