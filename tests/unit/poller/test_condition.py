"""How a service does, judged by its state and tasks: each line of the tables is a situation that a Swarm gets into."""

from typing import Any

import pytest

from funswarm.state import Condition, ConditionStatus, NodeState, ServiceState, TaskState, UpdateStatus
from services.poller.condition import condition
from tests.builders import CONVERGED, a_node, a_service, a_task

PROGRESSING = Condition()
NO_NODE = "no suitable node (insufficient resources on 1 node)"
NO_IMAGE = "No such image: nope:1"
EXIT = "task: non-zero exit (1)"
NODES = {node.id: node for node in (a_node("alpha"), a_node("beta"))}


def stalled(reason: str) -> Condition:
    return Condition(status=ConditionStatus.STALLED, reason=reason)


def degraded(reason: str) -> Condition:
    return Condition(status=ConditionStatus.DEGRADED, reason=reason)


def judged(
    service: ServiceState, *tasks: TaskState, previous: ServiceState | None = None, nodes: dict[str, NodeState] = NODES
) -> Condition:
    return condition(service, tasks, nodes, previous)


def history(*states: str, slot: int = 1, **newest: Any) -> list[TaskState]:
    """The tasks of a slot, the newest first; failed ones say why and are wanted no more."""
    made = []
    for age, state in enumerate(states):
        ended = state in ("failed", "rejected", "complete", "shutdown")
        error = {"failed": EXIT, "rejected": NO_IMAGE}.get(state)
        at = f"2026-11-01T08:{30 - age:02}:00Z"
        wanted = "shutdown" if ended else "running"
        values = {"state": state, "desired_state": wanted, "error": error, "created_at": at, "timestamp": at}
        made.append(a_task(slot=slot, id=f"t{slot}-{age}", **(values | (newest if age == 0 else {}))))
    return made


PENDING = history("pending", error=NO_NODE)


@pytest.mark.parametrize(
    ("replicas", "tasks", "expected"),
    [
        (1, [a_task()], CONVERGED),
        (2, [a_task(), a_task(slot=2)], CONVERGED),
        (0, [], CONVERGED),
        (0, history("shutdown"), CONVERGED),
        (2, [a_task()], PROGRESSING),
        (1, [], PROGRESSING),
        (1, history("starting"), PROGRESSING),
        (1, history("running", desired_state="shutdown"), PROGRESSING),
        (1, [a_task(), a_task(slot=2)], PROGRESSING),  # scaled down, the surplus still runs
        (1, [a_task(image="nginx:1.26")], PROGRESSING),  # runs what was wanted before
        (1, [a_task(force_update=1)], PROGRESSING),
        (1, PENDING, stalled(NO_NODE)),
        (1, history("pending", error=NO_NODE, desired_state="ready"), PROGRESSING),  # waits for its predecessor's port
        (1, history("pending"), PROGRESSING),
        (1, history("rejected"), stalled(NO_IMAGE)),
        (1, history("ready", "rejected"), stalled(NO_IMAGE)),
        (1, history("failed"), PROGRESSING),
        (1, history("ready", "failed", "failed"), PROGRESSING),
        (1, history("failed", "failed", "failed"), stalled(f"crash loop: 3 of 3 tasks of web.1 failed: {EXIT}")),
        (
            1,
            history("starting", "failed", "failed", "failed", "shutdown"),
            stalled(f"crash loop: 3 of 5 tasks of web.1 failed: {EXIT}"),
        ),
        (1, history("starting", "failed", "failed", "shutdown", "failed"), PROGRESSING),
        (1, history("running", "failed", "failed", "failed"), CONVERGED),
        (2, [*history("running"), *history("starting", "failed", "failed", slot=2)], PROGRESSING),
    ],
)
def test_a_replicated_service_first_seen(replicas, tasks, expected):
    assert expected == judged(a_service(replicas=replicas), *tasks)


ALPHA, BETA = (a_task(slot=None, node=node) for node in ("alpha", "beta"))


@pytest.mark.parametrize(
    ("tasks", "nodes", "expected"),
    [
        ([ALPHA, BETA], NODES, CONVERGED),
        ([ALPHA], NODES, CONVERGED),  # a constraint keeps it from the other
        ([], NODES, PROGRESSING),  # no task yet, or none ever: the next look tells
        ([ALPHA, BETA.model_copy(update={"state": "starting"})], NODES, PROGRESSING),
        ([ALPHA, BETA.model_copy(update={"state": "starting"})], {"node-alpha": NODES["node-alpha"]}, PROGRESSING),
        (
            [ALPHA, BETA.model_copy(update={"state": "starting"})],
            NODES | {"node-beta": a_node("beta", state="down")},
            CONVERGED,
        ),
        (
            [ALPHA, BETA.model_copy(update={"desired_state": "shutdown", "state": "shutdown"})],
            NODES | {"node-beta": a_node("beta", availability="drain")},
            CONVERGED,
        ),
    ],
)
def test_a_global_service_first_seen(tasks, nodes, expected):
    assert expected == judged(a_service(mode="global", replicas=None), *tasks, nodes=nodes)


def test_a_global_service_that_fits_no_node_converges_at_the_second_look():
    service = a_service(mode="global", replicas=None, condition=PROGRESSING)
    assert CONVERGED == judged(service, previous=service)


def a_run(state: str, slot: int | None = 1, iteration: int = 2, **others: Any) -> TaskState:
    values: dict[str, Any] = {
        "desired_state": "complete",
        "job_iteration": iteration,
        "id": f"{slot}-{iteration}-{state}",
    }
    return a_task(slot=slot, state=state, **(values | others))


@pytest.mark.parametrize(
    ("total", "tasks", "expected"),
    [
        (0, [], CONVERGED),
        (1, [a_run("complete")], CONVERGED),
        (2, [a_run("complete"), a_run("complete", 2)], CONVERGED),
        (2, [a_run("complete"), a_run("running", 2)], PROGRESSING),
        (1, [a_run("complete", iteration=1)], PROGRESSING),
        (2, [a_run("complete"), a_run("complete", 2, iteration=1)], PROGRESSING),
        (1, [a_run("pending", error=NO_NODE)], stalled(NO_NODE)),
        (1, [a_run("failed", error=EXIT), a_run("complete")], CONVERGED),
    ],
)
def test_a_replicated_job_first_seen(total, tasks, expected):
    assert expected == judged(a_service(mode="replicated-job", replicas=total, job_iteration=2), *tasks)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], PROGRESSING),
        ([a_run("complete", None)], CONVERGED),
        ([a_run("complete", None), a_run("running", None, node="beta")], PROGRESSING),
        ([a_run("complete", None), a_run("complete", None, node="beta", iteration=1)], CONVERGED),
    ],
)
def test_a_global_job_first_seen(tasks, expected):
    assert expected == judged(a_service(mode="global-job", replicas=None, job_iteration=2), *tasks)


def test_a_completed_job_stays_so_though_its_tasks_be_forgotten():
    job = a_service(mode="replicated-job", replicas=1, job_iteration=2)
    assert CONVERGED == judged(job, previous=job)


def test_a_job_that_failed_for_good_is_stalled():
    policy = {"TaskTemplate": {"RestartPolicy": {"Condition": "none"}}}
    job = a_service(mode="replicated-job", job_iteration=2, spec=policy, condition=PROGRESSING)
    expected = stalled(f"web.1 failed and is not restarted: {EXIT}")
    assert expected == judged(job, a_run("failed", error=EXIT), previous=job)


@pytest.mark.parametrize("policy", ["none", "on-failure"])
def test_a_task_that_may_complete_is_done_when_complete(policy):
    spec = {"TaskTemplate": {"RestartPolicy": {"Condition": policy}}}
    assert CONVERGED == judged(a_service(spec=spec), *history("complete"))


def test_a_task_that_must_not_complete_is_not_done():
    assert PROGRESSING == judged(a_service(), *history("complete"))


@pytest.mark.parametrize(
    ("rollout", "tasks", "expected"),
    [
        ("updating", [a_task()], PROGRESSING),
        ("rollback_started", [a_task()], PROGRESSING),
        ("updating", history("starting", "failed", "failed", "failed"), PROGRESSING),
        ("updating", PENDING, stalled(NO_NODE)),
        ("updating", history("pending", error=NO_NODE, desired_state="ready"), PROGRESSING),
        ("paused", [a_task()], stalled("paused: because")),
        ("rollback_paused", [], stalled("rollback_paused: because")),
        ("completed", [a_task()], CONVERGED),
        ("completed", history("starting"), PROGRESSING),
        (
            "rollback_completed",
            [a_task()],
            Condition(status=ConditionStatus.ROLLED_BACK, reason="rollback_completed: because"),
        ),
        ("rollback_completed", history("starting"), PROGRESSING),
    ],
)
def test_a_rollout(rollout, tasks, expected):
    status = UpdateStatus(state=rollout, message=f"{rollout}: because")
    assert expected == judged(a_service(update_status=status, version=11), *tasks, previous=a_service(version=10))


def test_a_rollout_paused_without_a_message_is_called_by_its_state():
    assert stalled("paused") == judged(a_service(update_status="paused"), a_task())


WAS = a_service(replicas=2)  # converged
TWO_RUN = [a_task(slot=1), a_task(slot=2)]


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (TWO_RUN, CONVERGED),
        ([a_task(slot=1), *history("starting", "failed", slot=2)], degraded(EXIT)),
        ([a_task(slot=1), *history("starting", "shutdown", slot=2)], degraded("1 of 2 tasks run")),
        ([a_task(slot=1)], degraded("1 of 2 tasks run")),
        ([a_task(slot=1), *history("pending", "failed", slot=2, error=NO_NODE)], stalled(NO_NODE)),
        ([*TWO_RUN, a_task(slot=3)], CONVERGED),
    ],
)
def test_a_converged_service_that_nobody_wrote(tasks, expected):
    assert expected == judged(WAS, *tasks, previous=WAS)


def test_a_lost_node_is_the_reason_of_what_its_tasks_lack():
    lost = a_task(slot=2, node="beta", desired_state="shutdown")
    nodes = NODES | {"node-beta": a_node("beta", state="down")}
    fresh = a_task(slot=2, id="fresh", state="starting", created_at="2026-11-02")
    assert degraded("node beta is down") == judged(WAS, a_task(slot=1), lost, fresh, previous=WAS, nodes=nodes)


def test_a_new_nodes_first_task_does_not_degrade_a_global_service():
    service = a_service(mode="global", replicas=None)
    assert CONVERGED == judged(service, ALPHA, BETA.model_copy(update={"state": "starting"}), previous=service)


def test_a_global_services_lost_task_degrades_it():
    service = a_service(mode="global", replicas=None)
    gone = BETA.model_copy(update={"state": "failed", "desired_state": "shutdown", "error": EXIT, "created_at": "1"})
    again = BETA.model_copy(update={"state": "starting", "id": "again"})
    assert degraded(EXIT) == judged(service, ALPHA, gone, again, previous=service)


def test_a_rolled_back_service_degrades_as_a_converged_one():
    was = a_service(
        update_status="rollback_completed", condition=Condition(status=ConditionStatus.ROLLED_BACK, reason=None)
    )
    assert degraded(EXIT) == judged(was, *history("starting", "failed"), previous=was)


@pytest.mark.parametrize("was", [stalled(NO_NODE), degraded(EXIT), PROGRESSING])
def test_a_condition_stays_until_it_converges_or_the_service_moves(was):
    service = a_service(condition=was)
    assert was == judged(service, *history("preparing"), previous=service)


@pytest.mark.parametrize("was", [stalled(NO_NODE), degraded(EXIT), PROGRESSING])
def test_a_service_recovers_when_all_its_tasks_run(was):
    service = a_service(condition=was)
    assert CONVERGED == judged(service, a_task(), previous=service)


@pytest.mark.parametrize("was", [CONVERGED, stalled(NO_NODE), degraded(EXIT)])
def test_a_written_service_progresses_before_swarm_has_acted(was):
    assert PROGRESSING == judged(a_service(version=11), a_task(), previous=a_service(version=10, condition=was))


def test_a_written_service_converges_at_the_next_look():
    written = a_service(version=11, condition=PROGRESSING)
    assert CONVERGED == judged(written, a_task(), previous=written)


def test_a_service_scaled_to_nothing_is_converged_at_once():
    assert CONVERGED == judged(a_service(replicas=0, version=11), previous=a_service(version=10))


def test_a_crash_loop_that_goes_on_is_no_news():
    was = stalled(f"crash loop: 3 of 4 tasks of web.1 failed: {EXIT}")
    service = a_service(condition=was)
    tasks = history("starting", "failed", "failed", "failed", "failed")
    assert was == judged(service, *tasks, previous=service)


def test_a_crash_loop_of_another_slot_too_is_no_news():
    was = stalled(f"crash loop: 3 of 4 tasks of web.2 failed: {EXIT}")
    service = a_service(replicas=2, condition=was)
    tasks = [*history("failed", "failed", "failed"), *history("failed", "failed", "failed", slot=2)]
    assert was == judged(service, *tasks, previous=service)


def test_a_reason_stays_while_it_holds_for_any_slot():
    was = stalled(NO_IMAGE)
    service = a_service(replicas=2, condition=was)
    tasks = [*history("failed", "failed", "failed"), *history("ready", "rejected", slot=2)]
    assert was == judged(service, *tasks, previous=service)


def test_a_crash_loop_for_another_reason_is_news():
    service = a_service(condition=stalled("crash loop: 3 of 4 tasks of web.1 failed: out of memory"))
    tasks = history("failed", "failed", "failed")
    expected = stalled(f"crash loop: 3 of 3 tasks of web.1 failed: {EXIT}")
    assert expected == judged(service, *tasks, previous=service)
