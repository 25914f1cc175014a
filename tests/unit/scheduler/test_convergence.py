"""What is said of a command after it was applied: converged, failed, superseded, or nothing yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funswarm.messages import Convergence, ConvergenceStatus, Result, ResultStatus
from funswarm.state import COMMAND_LABEL, Condition, ServiceState, UpdateStatus
from services.scheduler.convergence import Patience, Watch, first_convergence, task_errors
from services.scheduler.fold import Seen
from tests.builders import a_service, a_task
from tests.unit.scheduler.fakes import command

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
PATIENCE = Patience(stable_s=5, stalled_s=30, settle_s=600)


def a_result(verb="scale", command_id="c1", written_from=11, **others) -> Result:
    return Result(
        command_id=command_id, verb=verb, target="web", status=ResultStatus.SUCCEEDED, written_from=written_from,
        service_id="service-web", changed=True, finished_at=NOW, **others,
    )  # fmt: skip


def a_watch(**result) -> Watch:
    return Watch(a_result(**result), PATIENCE)


def web(status="converged", reason=None, *, by="c1", **others) -> Seen:
    """As the command `by` wrote it."""
    values: dict[str, Any] = {"version": 12, "labels": {COMMAND_LABEL: by} if by else {}}
    state: ServiceState = a_service("web", condition=Condition(status=status, reason=reason), **values | others)
    return Seen.of(state)


def told(watch: Watch, *looks: tuple[float, Seen]) -> Convergence | None:
    """The first verdict; at so many seconds after the command."""
    verdicts = (watch.look(service, NOW + timedelta(seconds=at_s)) for at_s, service in looks)
    return next((verdict for verdict in verdicts if verdict is not None), None)


def status(verdict: Convergence | None) -> str | None:
    return None if verdict is None else verdict.status.value


def test_what_stays_converged_has_converged():
    looks = [(0, web("progressing")), (1, web()), (5.9, web()), (6, web())]
    verdicts = [status(told(a_watch(), *looks[: n + 1])) for n in range(4)]
    assert [None, None, None, "converged"] == verdicts


def test_what_falls_in_its_first_seconds_has_not_converged():
    assert told(a_watch(), (1, web()), (3, web("degraded", "exit 1")), (8, web()), (12, web())) is None


@pytest.mark.parametrize(
    "proof",
    [
        {"replicas": 0},
        {"mode": "replicated-job"},
        {"update_status": UpdateStatus(state="completed")},
        {"spec": {"TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["CMD", "true"]}}}}},
    ],
    ids=["no replicas", "job", "rollout", "health check"],
)
def test_what_needs_no_time_has_converged_at_once(proof):
    assert "converged" == status(told(a_watch(), (1, web(**proof))))


def test_the_state_from_before_the_write_says_nothing():
    assert told(a_watch(), (1, web(version=11, by="c0", replicas=0))) is None


def test_what_stays_stalled_has_failed_with_the_reason():
    verdict = told(a_watch(), (1, web("stalled", "no suitable node")), (31, web("stalled", "no suitable node")))
    assert ("failed", "no suitable node") == (status(verdict), verdict and verdict.reason)


def test_a_stall_that_ends_in_time_has_converged():
    assert "converged" == status(told(a_watch(), (1, web("stalled", "x")), (20, web()), (26, web())))


def test_a_crash_loop_has_failed_though_it_looks_well_between_two_crashes():
    loop = [(float(at_s), web() if at_s % 6 < 3 else web("stalled", "crash loop")) for at_s in range(60)]
    assert "failed" == status(told(a_watch(), *loop))


def test_a_rollout_that_paused_has_failed():
    paused = web("stalled", "update paused due to failure", update_status=UpdateStatus(state="paused"))
    assert "failed" == status(told(a_watch(verb="update"), (1, paused)))


def test_an_update_that_swarm_rolled_back_has_failed():
    new, old = {"spec": {"new": 1}}, {"spec": {"old": 1}, "by": "c0"}
    started = UpdateStatus(state="rollback_started")
    completed = UpdateStatus(state="rollback_completed", message="rollback completed")
    verdict = told(
        a_watch(verb="update"),
        (1, web("progressing", **new)),
        (2, web("progressing", version=13, update_status=started, **old)),
        (3, web("rolled-back", version=14, update_status=completed, **old)),
    )
    assert ("failed", "rolled back: rollback completed") == (status(verdict), verdict and verdict.reason)


def test_a_rollback_that_completed_has_converged():
    completed = web("rolled-back", by="c0", update_status=UpdateStatus(state="rollback_completed"))
    assert "converged" == status(told(a_watch(verb="rollback"), (1, completed)))


def test_a_rollback_that_paused_has_failed():
    paused = web("stalled", "x", by="c0", update_status=UpdateStatus(state="rollback_paused"))
    assert "failed" == status(told(a_watch(verb="rollback"), (1, paused)))


def test_a_later_command_supersedes():
    verdict = told(a_watch(), (1, web("progressing", by="c2", version=13)))
    assert ("superseded", "written since by 'c2'") == (status(verdict), verdict and verdict.reason)


@pytest.mark.parametrize("by", ["c1", None], ids=["label kept", "label gone"])
def test_a_later_write_of_somebody_else_supersedes(by):
    verdict = told(a_watch(), (1, web("progressing")), (2, web(by=by, version=14, spec={"theirs": 1})))
    assert ("superseded", "written since by somebody else") == (status(verdict), verdict and verdict.reason)


def test_swarms_own_writes_supersede_nothing():
    looks = (1, web("progressing")), (2, web(version=15, update_status=UpdateStatus(state="completed")))
    assert "converged" == status(told(a_watch(verb="update"), *looks))


def test_a_creation_needs_no_version():
    assert "converged" == status(told(a_watch(verb="create", written_from=None), (1, web(replicas=0))))


def test_when_time_is_up_it_has_failed_with_what_is_known():
    watch, late = a_watch(), NOW + timedelta(seconds=600)
    assert watch.overdue(web("progressing"), late - timedelta(seconds=1)) is None
    assert "has not settled within 600 s: progressing" == (watch.overdue(web("progressing"), late) or a_result()).reason
    assert "nothing was told of it" in str(watch.overdue(None, late))


def test_each_error_is_told_once_the_newest_first():
    tasks = [
        a_task(slot=slot, state="rejected", error=text, created_at=f"2026-11-01T09:00:0{slot}.5Z", timestamp=str(slot))
        for slot, text in enumerate(["No such image: x", "No such image: x", "task: non-zero exit (1)"])
    ]
    assert ("task: non-zero exit (1)", "No such image: x") == task_errors(tasks, a_result())


def test_errors_of_tasks_from_before_the_command_are_not_its_own():
    assert () == task_errors([a_task(error="old", created_at="2026-11-01T08:00:00.000000001Z")], a_result())


@pytest.mark.parametrize(
    ("expected", "asked", "changed"),
    [
        (ConvergenceStatus.PENDING, command("scale", replicas=3), True),
        (ConvergenceStatus.PENDING, command("create", service={"name": "web", "image": "x"}), True),
        (ConvergenceStatus.CONVERGED, command("create", service={"name": "web", "image": "x", "replicas": 0}), True),
        (None, command("scale", replicas=3), False),
        (None, command("remove"), True),
    ],
)
def test_the_first_result_says_whether_there_is_to_wait(expected, asked, changed):
    convergence = first_convergence(asked, changed=changed, now=NOW)
    assert expected == (convergence and convergence.status)
