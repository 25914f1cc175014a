"""Which tasks are about to change: their services are polled most often."""

import pytest

from funswarm.state import TaskState
from services.poller.motion import is_on_its_way


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
