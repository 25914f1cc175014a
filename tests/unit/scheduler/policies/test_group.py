"""Services that start together or not at all."""

from datetime import timedelta

import pytest

from funswarm.messages import Code, ResultStatus
from funswarm.state import Condition, ConditionStatus
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.group import Group
from services.scheduler.policies.record import Record
from tests.builders import a_node, a_service, a_task
from tests.floors import NOW, a_case, a_result

STALLED = Condition(status=ConditionStatus.STALLED, reason="no suitable node")
GIB = 2**30


def member(name, replicas=0, memory_bytes=GIB, wants=2, **others):
    labels = {"funswarm.group": "shop", "funswarm.group.size": "2", "funswarm.group.replicas": str(wants)}
    reserved = {"Reservations": {"MemoryBytes": memory_bytes}}
    spec = {"TaskTemplate": {"Resources": reserved}, "Mode": {"Replicated": {"Replicas": replicas}}}
    return a_service(name, replicas=replicas, labels=labels | others.pop("labels", {}), spec=spec, **others)


def decided(service, *beside, tasks=(), record=None, now=NOW, **others):
    return evaluate(a_case(service, (Group(),), record, beside=beside, tasks=[a_node(), *tasks], now=now, **others))


LATE = NOW + timedelta(seconds=120)  # the time-out


def begun():
    return Record(
        service="a", service_id="service-a", memories={"group": {"began_at": NOW.isoformat(), "complete": False}}
    )


def test_all_start_in_one_batch_that_the_first_asks_for():
    items = decided(member("a"), member("b")).command.commands
    assert [("a", 2), ("b", 2)] == [(item.command["target"], item.command["replicas"]) for item in items]


def test_the_others_leave_it_to_the_first():
    assert decided(member("b"), member("a")).command is None


def test_nothing_starts_before_all_are_there():
    plan = decided(member("a"))
    assert (None, "1 of 2 services of the group shop are there: a") == (plan.command, plan.decisions[0].reason)


def test_nothing_starts_where_there_is_no_room_for_all():
    plan = decided(member("a"), member("b", wants=3))
    assert (None, "1 of 3 tasks of b would have no node: no suitable node (insufficient resources on 1 node)") == (
        plan.command, plan.decisions[0].limiter,
    )  # fmt: skip


def test_the_tasks_of_others_take_room():
    other = a_service("x", spec={"TaskTemplate": {"Resources": {"Reservations": {"MemoryBytes": GIB}}}})
    assert decided(member("a"), member("b"), other, tasks=[a_task("x")]).command is None


def test_a_group_of_another_stack_is_another_group():
    plan = decided(member("a"), member("b", labels={"com.docker.stack.namespace": "other"}))
    assert plan.command is None


def test_a_group_that_runs_is_complete():
    plan = decided(member("a", 2), member("b", 2), record=begun())
    assert (None, True) == (plan.command, plan.record.memories["group"]["complete"])


def test_one_that_does_not_run_in_time_stops_all():
    late = NOW + timedelta(seconds=120)
    plan = decided(member("a", 2), member("b", 2, condition=STALLED), record=begun(), now=late)
    assert [0, 0] == [item.command["replicas"] for item in plan.command.commands]
    assert "b is stalled: no suitable node" in plan.decisions[0].inputs["missing"]


def ended(plan, **others):
    """How the command of the plan ended; a batch has written no service of its own."""
    return {plan.command.id: a_result(plan.command.id, **{"service_id": None, "written_from": None} | others)}


def test_a_start_that_is_refused_is_said_at_once_and_tried_again_after_a_while():
    asked = decided(member("a"), member("b"))
    results = ended(asked, status=ResultStatus.REFUSED, code=Code.ADMISSION, reason="a quota", changed=False)
    plan = decided(member("a"), member("b"), record=asked.record, results=results)
    assert (None, "refused before: a quota") == (plan.command, plan.decisions[0].limiter)
    assert NOW + timedelta(seconds=10) == plan.again_at
    again = decided(member("a"), member("b"), record=plan.record, results=results, now=NOW + timedelta(seconds=10))
    assert 1 == again.record.sent["group"].attempt


def test_a_start_that_was_refused_is_tried_at_the_next_version():
    asked = decided(member("a"), member("b"))
    results = ended(asked, status=ResultStatus.REFUSED, code=Code.EXPECTATION, changed=False)
    assert decided(member("a", version=11), member("b"), record=asked.record, results=results).command is not None


def test_a_start_that_nobody_answered_is_tried_again():
    asked = decided(member("a"), member("b"))
    ends = NOW + timedelta(seconds=75)
    waits = decided(member("a"), member("b"), record=asked.record, now=NOW + timedelta(seconds=74))
    assert (None, ends) == (waits.command, waits.again_at)
    assert decided(member("a"), member("b"), record=asked.record, now=ends).command is not None


def stopping():
    """It did not run in time; the command that stops it."""
    return decided(member("a", 2), member("b", 2, condition=STALLED), record=begun(), now=LATE)


def test_it_is_tried_again_later():
    asked = stopping()
    stopped = decided(member("a"), member("b"), record=asked.record, now=LATE, results=ended(asked))
    assert (None, ()) == (stopped.command, stopped.decisions)
    early, late = (
        decided(
            member("a"), member("b"), record=stopped.record, now=LATE + timedelta(seconds=after), results=ended(asked)
        )
        for after in (299, 300)
    )
    assert (True, False) == (early.command is None, late.command is None)


@pytest.mark.parametrize("status", [ResultStatus.REFUSED, ResultStatus.FAILED, None])
def test_a_stop_that_was_not_done_is_asked_for_again(status):
    asked = stopping()
    at = LATE + timedelta(seconds=11 if status else 76)
    results = ended(asked, status=status, changed=False) if status else {}
    again = decided(member("a", 2), member("b", 2, condition=STALLED), record=asked.record, now=at, results=results)
    assert [0, 0] == [item.command["replicas"] for item in again.command.commands]


def test_a_stop_that_is_told_of_one_after_the_other_is_asked_for_once():
    asked = stopping()
    results = ended(asked, finished_at=LATE)
    half = decided(member("a", version=11), member("b", 2), record=asked.record, now=LATE, results=results)
    assert (None, None) == (half.command, half.record.memories["group"].get("retry_at"))


def test_who_is_stopped_by_hand_after_the_start_stays_stopped():
    record = Record(service="a", service_id="service-a", memories={"group": {"complete": True}})
    assert decided(member("a"), member("b", 2), record=record).command is None


def test_all_at_zero_again_is_a_new_deployment():
    record = Record(service="a", service_id="service-a", memories={"group": {"complete": True}})
    assert decided(member("a"), member("b"), record=record).command is not None


def test_a_group_and_dependencies_do_not_go_together():
    service = member("a", labels={"funswarm.depends-on": "db"})
    assert "use either" in Group().parse(service).problems[0].reason
