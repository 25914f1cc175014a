"""The traps of Swarm that were met on real engines: each against the scheduler's own write, or its worker."""

from datetime import UTC, datetime, timedelta

import pytest

from funswarm.errors import Refused
from funswarm.messages import Code, ResultStatus
from funswarm.state import COMMAND_LABEL
from tests.engine.conftest import FOREVER, SECOND_NS
from tests.engine.scheduling import QUICK, ids, iteration, job, running, working
from tests.unit.scheduler.fakes import command

BAD = ["false"]
SLOW = {"Parallelism": 1, "Delay": 600 * SECOND_NS, "Monitor": SECOND_NS // 10}
# Swarm counts a failure only within `Monitor` after the task was seen to run, and a busy machine may be slow to tell.
FAILING = {"Parallelism": 1, "Monitor": 60 * SECOND_NS, "FailureAction": "rollback"}
OTHER = ["sleep", "200000"]


def command_of(task):
    return task["Spec"]["ContainerSpec"]["Command"]


def replicas(engine):
    return engine.service(engine.name)["Spec"]["Mode"]["Replicated"]["Replicas"]


# A scale in the middle of a rollout would take its way back (four bad tasks of four, and none to go back to).
async def test_a_scale_waits_until_a_failing_rollout_has_gone_back(engine, client):
    running(engine, replicas=4, UpdateConfig=FAILING)
    async with working(client) as results:
        update = command("update", "c1", target=engine.name, changes={"command": BAD})
        _, result = await results(update, command("scale", "c2", target=engine.name, replicas=5))
    assert ResultStatus.SUCCEEDED is result.status
    assert [FOREVER] * 5 == [command_of(task) for task in engine.until_running(engine.name, 5)]


async def test_a_scale_whose_deadline_passes_in_a_rollout_is_refused_and_changes_nothing(engine, client):
    running(engine, replicas=2, UpdateConfig=SLOW)
    async with working(client) as results:
        await results(command("update", "c1", target=engine.name, changes={"command": OTHER}))
        engine.until_updated(engine.name, "updating")
        soon = datetime.now(UTC) + timedelta(seconds=5)
        (result,) = await results(command("scale", "c2", target=engine.name, replicas=5, deadline=soon))
    assert (Code.ROLLOUT, True, 2) == (result.code, "updating" in (result.reason or ""), replicas(engine))


async def test_a_scale_right_after_an_update_does_not_come_before_swarm_begins_the_rollout(engine, attempt):
    running(engine, replicas=2, UpdateConfig=SLOW)
    for number in range(3):
        await attempt("update", f"c{number}", changes={"command": ["sleep", f"20000{number}"]}, force=True)
        assert "updating" in ((await attempt("scale", f"d{number}", replicas=3)).held or "")


async def test_force_scales_in_a_rollout(engine, attempt):
    running(engine, replicas=2, UpdateConfig=SLOW)
    await attempt("update", "c1", changes={"command": OTHER})
    engine.until_updated(engine.name, "updating")
    assert (await attempt("scale", "c2", replicas=3, force=True)).changed
    assert 3 == replicas(engine)


async def test_a_paused_rollout_is_not_resumed_by_a_scale(engine, attempt):
    running(engine, replicas=2, UpdateConfig={**FAILING, "FailureAction": "pause"})
    await attempt("update", "c1", changes={"command": BAD})
    paused = engine.until_updated(engine.name, "paused")
    assert "paused" in ((await attempt("scale", "c2", replicas=3)).held or "")
    assert paused["Version"] == engine.service(engine.name)["Version"]
    await attempt("rollback", "c3")
    engine.until_updated(engine.name, "rollback_completed")
    assert [FOREVER] * 2 == [command_of(task) for task in engine.until_running(engine.name, 2)]


# A task that ends soon after its start is a failed update to Swarm: with `rollback` it is run once more.
@pytest.mark.parametrize(
    ("action", "monitor_s", "state"), [("rollback", 60, "rollback_completed"), ("continue", 3, "completed")]
)
async def test_a_restart_that_would_run_twice_is_warned_of(engine, attempt, action, monitor_s, state):
    config = {"Parallelism": 1, "Monitor": monitor_s * SECOND_NS, "FailureAction": action}
    engine.create(engine.spec(["true"], UpdateConfig=config, RollbackConfig={**QUICK, "FailureAction": "continue"}))
    engine.until_state(engine.name, "complete")
    outcome = await attempt("restart")
    engine.until_updated(engine.name, state)
    assert (action == "rollback") == any("roll back" in warning for warning in outcome.warnings)


# A write of any kind runs a job again, and stops what runs of it.
async def test_a_run_runs_a_job_once_however_often_it_is_delivered(engine, attempt):
    job(engine)
    engine.until_state(engine.name, "complete")
    outcomes = [await attempt("run") for _ in range(2)]
    service = engine.service(engine.name)
    assert ([True, True], 1, "c1") == (
        [outcome.changed for outcome in outcomes], iteration(service), service["Spec"]["Labels"][COMMAND_LABEL],
    )  # fmt: skip


async def test_the_tasks_of_a_run_are_told_apart_by_its_number(engine, attempt):
    job(engine)
    engine.until_state(engine.name, "complete")
    await attempt("run")
    engine.until_state(engine.name, "complete", count=2)
    assert [0, 1] == sorted(iteration(task) for task in engine.tasks(engine.name))


async def test_a_run_stops_what_still_runs_of_the_run_before(engine, attempt):
    job(engine, FOREVER)
    (first,) = engine.until_state(engine.name, "running")
    await attempt("run")
    engine.until(lambda: first["ID"] not in ids(engine.tasks(engine.name)), "the first task is gone")


async def test_what_changes_nothing_of_a_job_does_not_run_it(engine, attempt):
    job(engine)
    engine.until_state(engine.name, "complete")
    assert not (await attempt("update", changes={"total": 1})).changed
    assert not (await attempt("run", "c2", dry_run=True)).changed
    assert 0 == iteration(engine.service(engine.name))


async def test_an_update_of_a_job_says_that_it_runs_it(engine, attempt):
    job(engine)
    outcome = await attempt("update", changes={"labels": {"a": "b"}})
    assert (True, 1) == ("runs it again" in outcome.warnings[0], iteration(engine.service(engine.name)))


async def test_a_run_of_a_parked_job_is_refused(engine, attempt):
    job(engine, total=0)
    with pytest.raises(Refused, match="`total`"):
        await attempt("run")


# Preconditions.
async def test_a_write_that_expects_an_older_version_is_refused_and_changes_nothing(engine, attempt):
    running(engine)
    version = engine.service(engine.name)["Version"]["Index"]
    await attempt("scale", "c1", replicas=2, expect={"version": version})
    with pytest.raises(Refused) as caught:
        await attempt("scale", "c2", replicas=3, expect={"version": version})
    assert (Code.EXPECTATION, 2) == (caught.value.code, replicas(engine))
