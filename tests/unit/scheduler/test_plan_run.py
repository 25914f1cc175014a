"""What a run comes to: one write, whose tasks bear its number, and which nothing rolls back."""

from typing import Any

import pytest

from funswarm.commands import SINGLES
from funswarm.errors import Refused
from funswarm.messages import Code
from services.scheduler.plan import Situation, Write, plan
from tests.unit.scheduler.raw import service

TEMPLATE = {"ContainerSpec": {"Image": "nginx:1"}, "RestartPolicy": {"Condition": "none"}, "ForceUpdate": 6}
JOB = {"ReplicatedJob": {"TotalCompletions": 2, "MaxConcurrent": 1}}


def ending(state: str | None = None, **parts: Any) -> dict[str, Any]:
    """A service whose tasks end by themselves."""
    return service(state, TaskTemplate=TEMPLATE, **parts)


def written(raw: dict[str, Any], **fields: Any) -> Write:
    action = plan(SINGLES.validate_python({"id": "c1", "verb": "run", "target": "web", **fields}), Situation(raw))
    assert isinstance(action, Write)
    return action


def refused(raw: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        plan(SINGLES.validate_python({"id": "c1", "verb": "run", "target": "web"}), Situation(raw))
    return caught.value


@pytest.mark.parametrize(("has", "asked", "expected"), [(0, None, 1), (3, None, 3), (0, 5, 5), (5, 0, 0)])
def test_a_run_sets_the_replicas(has, asked, expected):
    spec = written(ending(replicas=has), replicas=asked).spec
    assert expected == spec["Mode"]["Replicated"]["Replicas"]


@pytest.mark.parametrize(("token", "expected"), [(None, 7), (77, 77)])
def test_the_tasks_of_a_run_bear_its_number(token, expected):
    assert expected == written(ending(), token=token).spec["TaskTemplate"]["ForceUpdate"]


@pytest.mark.parametrize("action", ["rollback", "pause", "continue"])
def test_a_run_is_never_rolled_back_or_paused(action):
    spec = written(ending(replicas=0, UpdateConfig={"FailureAction": action, "Parallelism": 2})).spec
    assert {"FailureAction": "continue", "Parallelism": 2} == spec["UpdateConfig"]


def test_the_tasks_of_a_run_begin_all_at_once():
    spec = written(ending(UpdateConfig={"Parallelism": 1}), replicas=5).spec
    assert spec["UpdateConfig"]["Parallelism"] == 0


def test_a_run_of_a_global_service_changes_its_number_and_what_failure_does():
    raw = ending(Mode={"Global": {}})
    spec = written(raw).spec
    expected = {**raw["Spec"], "TaskTemplate": TEMPLATE | {"ForceUpdate": 7}, "Labels": spec["Labels"]}
    assert expected | {"UpdateConfig": {"FailureAction": "continue"}} == spec


@pytest.mark.parametrize("mode", [{"Replicated": {"Replicas": 1}}, {"Global": {}}])
def test_what_runs_for_ever_is_not_run_by_hand(mode):
    error = refused(service(Mode=mode))
    assert (Code.WRONG_MODE, True) == (error.code, "`restart`" in str(error))


def test_with_a_number_what_runs_for_ever_is_run_too():
    assert written(service(), token=8).spec["TaskTemplate"]["ForceUpdate"] == 8


# Jobs: any write runs them.
def test_a_job_gets_its_total_and_its_number_in_the_write_that_runs_it():
    spec = written(service(Mode=JOB), replicas=5, token=9).spec
    assert {"ReplicatedJob": {"TotalCompletions": 5, "MaxConcurrent": 1}} == spec["Mode"]
    assert (9, False) == (spec["TaskTemplate"]["ForceUpdate"], "UpdateConfig" in spec)


def test_a_parked_job_that_allows_no_task_at_once_is_allowed_all():
    spec = written(service(Mode={"ReplicatedJob": {"TotalCompletions": 0, "MaxConcurrent": 0}}), replicas=3).spec
    assert {"TotalCompletions": 3, "MaxConcurrent": 3} == spec["Mode"]["ReplicatedJob"]


def test_a_parked_job_is_not_run_unless_it_is_said_how_many():
    error = refused(service(Mode={"ReplicatedJob": {"TotalCompletions": 0}}))
    assert (Code.WRONG_MODE, True) == (error.code, "`replicas`" in str(error))


# Rollouts.
@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_a_rollout_that_moves_holds_a_run(state):
    previous = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:0"}}}
    assert f"in progress, {state}" in (written(ending(state, previous=previous)).held or "")


@pytest.mark.parametrize("state", ["paused", "rollback_paused", "completed"])
def test_a_rollout_that_stands_holds_no_run(state):
    """The end of a task is what paused it."""
    assert written(ending(state, previous={"TaskTemplate": {"ContainerSpec": {"Image": "nginx:0"}}})).held is None


def test_a_run_does_not_wait_for_the_run_before():
    previous = {"TaskTemplate": TEMPLATE | {"ForceUpdate": 5}, "Mode": {"Replicated": {"Replicas": 0}}}
    assert written(ending("updating", previous=previous)).held is None


def test_a_run_with_force_waits_for_nothing():
    previous = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:0"}}}
    assert written(ending("updating", previous=previous), force=True).held is None
