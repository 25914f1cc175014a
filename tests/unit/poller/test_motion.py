"""Which tasks are about to change: their services are polled most often."""

from typing import Any

import pytest

from funswarm.state import TaskState
from services.poller.known import Known
from services.poller.motion import TaskPolls, is_on_its_way
from services.poller.view import View
from tests.builders import a_service


def task(state: str, desired_state: str, error: str | None = None) -> TaskState:
    return TaskState(
        id="t1",
        name="web.1",
        version=1,
        service_id="web",
        service_name="web",
        state=state,
        desired_state=desired_state,
        error=error,
    )


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "accepted", "preparing", "ready", "starting"])
def test_a_task_that_is_to_run_and_does_not_yet_is_on_its_way(state):
    assert is_on_its_way(task(state, "running"))


@pytest.mark.parametrize("desired_state", ["shutdown", "remove"])
def test_a_running_task_that_is_to_end_is_on_its_way(desired_state):
    assert is_on_its_way(task("running", desired_state))


@pytest.mark.parametrize(
    ("state", "desired_state"),
    [
        ("running", "running"),
        ("running", "complete"),
        ("ready", "ready"),
        ("failed", "shutdown"),
        ("complete", "complete"),
    ],
)
def test_a_task_that_is_where_it_is_to_be_or_has_ended_is_not_on_its_way(state, desired_state):
    assert not is_on_its_way(task(state, desired_state))


def test_a_task_that_no_node_takes_is_not_on_its_way():
    assert not is_on_its_way(task("pending", "running", "no suitable node (scheduling constraints not satisfied)"))


@pytest.fixture
def polls():
    """Of a Swarm that has the service `web`, without tasks; engine and lists are not asked."""
    nobody: Any = None
    return TaskPolls(nobody, View(lambda _: None, Known([a_service("web")])), Known(), nobody, lambda _: None)


def test_a_service_whose_tasks_may_come_is_in_motion(polls):
    polls.touch("service-web")
    assert 1 == len(polls)


def test_a_service_that_is_gone_with_its_tasks_is_not_in_motion(polls):
    polls.touch("service-gone")
    assert 0 == len(polls)
