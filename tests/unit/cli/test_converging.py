"""When a service counts as converged after a command."""

import pytest

from funswarm.cli import converging
from funswarm.cli.converging import counted, verdict
from funswarm.errors import UnknownObject
from funswarm.state import Condition, UpdateStatus
from tests.builders import a_service, a_task


def in_condition(status, **fields):
    return a_service("web", version=7, condition=Condition(status=status), **fields)


def test_a_converged_service_is_done(done):
    assert verdict(in_condition("converged"), done("scale", version=7)) == 0


def test_a_state_older_than_the_write_says_nothing(done):
    assert verdict(in_condition("converged"), done("scale", version=8)) is None


@pytest.mark.parametrize("status", ["progressing", "stalled", "degraded"])
def test_what_may_still_come_is_waited_for(done, status):
    assert verdict(in_condition(status), done("scale", version=7)) is None


def test_a_rolled_back_update_has_failed(done):
    assert verdict(in_condition("rolled-back"), done("update", version=7)) == 1


def test_a_rollback_that_rolled_back_is_done(done):
    assert verdict(in_condition("rolled-back"), done("rollback", version=7)) == 0


def test_a_paused_update_has_failed(done):
    paused = in_condition("stalled", update_status=UpdateStatus(state="paused"))
    assert verdict(paused, done("update", version=7)) == 1


def test_tasks_are_counted_by_what_they_do():
    tasks = (
        a_task("web", slot=1, state="running", desired_state="running"),
        a_task("web", slot=2, state="preparing", desired_state="running"),
        a_task("web", slot=2, state="failed", desired_state="shutdown"),
    )
    assert counted(a_service("web", replicas=2), tasks) == (1, 2, "preparing 1")


def test_a_change_is_waited_for_until_it_has_converged(cli, done):
    cli.answers |= {
        "scale": done("scale", changed=True, service_id="s1", version=7),
        "service": in_condition("converged"),
        "tasks": (),
    }
    outcome = cli.run("scale", "web=3")
    assert (outcome.exit_code, outcome.stderr) == (0, "web converged\n")


def test_detach_does_not_wait(cli, done):
    cli.answers["scale"] = done("scale", changed=True, service_id="s1", version=7)
    assert cli.run("scale", "web=3", "--detach").exit_code == 0
    assert [asked[0] for asked in cli.asked] == ["scale"]


def test_the_wait_is_bounded(cli, done, monkeypatch):
    monkeypatch.setattr(converging, "INTERVAL_S", 0.01)
    cli.answers |= {
        "scale": done("scale", changed=True, service_id="s1", version=7),
        "service": UnknownObject("not seen"),
    }
    outcome = cli.run("scale", "web=3", "--timeout", "1")
    assert (outcome.exit_code, "has not converged within 1 s" in outcome.stderr) == (1, True)
