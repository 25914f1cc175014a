"""When tasks fail again and again."""

from datetime import timedelta
from typing import Any

import pytest

from funswarm.decisions import DecisionOutcome
from funswarm.messages import Code, ResultStatus
from services.scheduler.policies.crash_loop import CrashLoop
from services.scheduler.policies.evaluate import evaluate
from tests.builders import a_node, a_service, a_task
from tests.floors import NOW, a_case, a_result

AT = "2026-11-23T11:59:30.000000001Z"


def web(action="explain", **others):
    labels = {"funswarm.crash-loop": "true", "funswarm.crash-loop.after": "3", "funswarm.crash-loop.action": action}
    return a_service(replicas=2, labels=labels, has_previous_spec=True, **others)


def failed(count, first=1, **others):
    values: dict[str, Any] = {
        "state": "failed",
        "desired_state": "shutdown",
        "timestamp": AT,
        "exit_code": 137,
        "error": "killed",
    }
    return [a_task(slot=1, id=f"t{number}", **values | others) for number in range(first, first + count)]


def decided(service, tasks, record=None, now=NOW, **others):
    return evaluate(a_case(service, (CrashLoop(),), record, tasks=[a_node(), *tasks], now=now, **others))


def test_fewer_failures_are_only_counted():
    plan = decided(web(), failed(2))
    assert ((), 2) == (plan.decisions, len(plan.record.memories["crash-loop"]["failures"]))


def test_a_loop_is_explained_by_the_last_task():
    decision = decided(web(), failed(3)).decisions[0]
    assert (
        "3 tasks failed within 600 s; the last, web.1 on alpha, failed with exit code 137 "
        "(it was killed: out of memory, most often): killed"
    ) == decision.reason
    assert (DecisionOutcome.NOTHING, "3 ≥ 3 failures") == (decision.outcome, decision.formula)


def test_failures_that_swarm_has_forgotten_still_count():
    first = decided(web(), failed(2))
    assert decided(web(), failed(1, first=3), first.record).decisions


def test_failures_of_long_ago_do_not():
    first = decided(web(), failed(2))
    assert () == decided(web(), [], first.record, NOW + timedelta(seconds=600)).decisions


def test_a_task_is_counted_once():
    first = decided(web(), failed(2))
    assert () == decided(web(), failed(2), first.record).decisions


def test_it_is_rolled_back_where_that_is_asked_also_in_a_rollout():
    assert "rollback" == decided(web("rollback", update_status="paused"), failed(3)).command.verb


def test_what_it_was_rolled_back_to_is_not_rolled_back_again():
    first = decided(web("rollback"), failed(3))
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "nginx:0"}}}
    back = web("rollback", spec=spec, version=20, update_status="rollback_completed")
    plan = decided(back, failed(3, first=9), first.record.model_copy(update={"sent": {}}))
    assert (None, "this is what it was rolled back to: there is no way further back") == (
        plan.command, plan.decisions[0].limiter,
    )  # fmt: skip


def test_it_is_stopped_where_that_is_asked_and_stays_so():
    plan = decided(web("stop"), failed(3))
    assert 0 == plan.command.replicas
    stopped = web("stop", version=11).model_copy(update={"replicas": 0})
    after = decided(stopped, failed(9), plan.record.model_copy(update={"sent": {}}))
    assert (None, ()) == (after.command, after.decisions)


def ended(plan, **others):
    """How the command of the plan ended."""
    return {plan.command.id: a_result(plan.command.id, **others)}


def test_nobody_else_gets_it_between_the_stop_and_the_news_of_it():
    plan = decided(web("stop"), failed(3))
    untold = decided(web("stop"), failed(4), plan.record, results=ended(plan))
    told = decided(web("stop", version=11).model_copy(update={"replicas": 0}), [], untold.record, results=ended(plan))
    assert (True, [], None) == (
        *(told.record.memories["crash-loop"][key] for key in ("stopped", "failures")),
        told.command,
    )


@pytest.mark.parametrize("action", ["stop", "rollback"])
def test_what_swarms_own_write_came_before_is_asked_for_at_the_next_version(action):
    plan = decided(web(action), failed(3))
    refused = ended(plan, status=ResultStatus.REFUSED, code=Code.EXPECTATION, changed=False, reason="it is 11")
    same = decided(web(action), failed(1), plan.record, results=refused)
    assert (None, "refused before: it is 11") == (same.command, same.decisions[0].limiter)
    again = decided(web(action, version=11), failed(1), same.record, results=refused)
    assert plan.command.verb == again.command.verb


def test_a_stop_that_nobody_answered_is_asked_for_again():
    plan = decided(web("stop"), failed(3))
    assert decided(web("stop"), [], plan.record, now=NOW + timedelta(seconds=76)).command is not None


def test_who_is_started_again_by_hand_is_counted_anew():
    plan = decided(web("stop"), failed(3), None)
    later = NOW + timedelta(seconds=700)
    again = decided(web("stop", version=12), [], plan.record.model_copy(update={"sent": {}}), later)
    assert not again.record.memories["crash-loop"]["stopped"]


def test_without_the_tasks_nothing_is_decided():
    assert () == evaluate(a_case(web(), (CrashLoop(),))).decisions
