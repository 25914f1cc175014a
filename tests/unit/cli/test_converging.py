"""What is shown while a service converges, and how the command line ends then."""

import asyncio

import pytest

from funswarm.cli import converging
from funswarm.cli.converging import counted
from funswarm.errors import UnknownObject
from funswarm.messages import Convergence
from tests.builders import a_service, a_task


def test_tasks_are_counted_by_what_they_do():
    tasks = (
        a_task("web", slot=1, state="running", desired_state="running"),
        a_task("web", slot=2, state="preparing", desired_state="running"),
        a_task("web", slot=2, state="failed", desired_state="shutdown"),
    )
    assert counted(a_service("web", replicas=2), tasks) == (1, 2, "preparing 1")


@pytest.fixture
def scaled(done):
    """A result of `scale web=3`, with its convergence so far."""

    def scaled(status="pending", **convergence):
        how = Convergence(status=status, **convergence)
        return done("scale", changed=True, service_id="s1", service_name="web", version=7, convergence=how)

    return scaled


def asked_for(cli, scaled, settled):
    """What the command line does where the scheduler says that in the end."""
    cli.answers |= {"scale": scaled(), "result": settled, "service": a_service("web"), "tasks": ()}
    return cli.run("scale", "web=3")


def test_a_change_is_waited_for_until_it_has_converged(cli, scaled):
    outcome = asked_for(cli, scaled, scaled("converged"))
    assert (outcome.exit_code, outcome.stderr) == (0, "web converged\n")


def test_what_has_failed_to_converge_is_told_with_the_tasks_errors(cli, scaled):
    outcome = asked_for(cli, scaled, scaled("failed", reason="stalled", errors=("No such image: x",)))
    assert (outcome.exit_code, outcome.stderr) == (1, "web failed: stalled\n  No such image: x\n")


def test_what_was_written_anew_has_not_converged(cli, scaled):
    assert asked_for(cli, scaled, scaled("superseded", reason="restart 'r1' came after it")).exit_code == 1


def test_json_is_the_last_word_alone(cli, scaled):
    settled = scaled("converged")
    cli.answers |= {"scale": scaled(), "result": settled, "service": a_service("web"), "tasks": ()}
    assert cli.run("scale", "web=3", "--json").stdout == settled.model_dump_json() + "\n"


def test_where_there_is_nothing_to_wait_for_nobody_waits(cli, done):
    cli.answers["scale"] = done("scale", service_id="s1", version=7)
    assert cli.run("scale", "web=3").exit_code == 0
    assert [asked[0] for asked in cli.asked] == ["scale"]


def test_detach_does_not_wait(cli, scaled):
    cli.answers["scale"] = scaled()
    assert cli.run("scale", "web=3", "--detach").exit_code == 0
    assert [asked[0] for asked in cli.asked] == ["scale"]


def test_the_wait_is_bounded(cli, scaled, monkeypatch):
    monkeypatch.setattr(converging, "INTERVAL_S", 0.01)
    monkeypatch.setattr("asyncio.timeout", lambda delay_s, timeout=asyncio.timeout: timeout(delay_s / 100))
    cli.answers |= {"scale": scaled(), "result": scaled(), "service": UnknownObject("not seen")}
    outcome = cli.run("scale", "web=3", "--timeout", "1")
    assert (outcome.exit_code, "has not converged within 1 s" in outcome.stderr) == (1, True)


def test_the_result_shows_how_it_settled(cli, scaled):
    cli.answers["result"] = scaled("failed", reason="stalled")
    assert "web failed: stalled" in cli.run("result", "c1").stdout
