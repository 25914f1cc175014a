"""What each change of each kind of object is told as."""

import pytest

from funswarm.messages import Change
from funswarm.state import COMMAND_LABEL, AnyState, Condition, ConditionStatus, UpdateStatus
from services.poller.diff import EventContext, diff
from tests.builders import CLUSTER, OBSERVED_AT, a_config, a_network, a_node, a_secret, a_service, a_task, an_engine

CONTEXT = EventContext(CLUSTER, OBSERVED_AT)
PROGRESSING = Condition()
STALLED = Condition(status=ConditionStatus.STALLED, reason="no suitable node")


def actions(before: AnyState | None, after: AnyState | None) -> list[str]:
    return [event.action for event in diff(before, after, CONTEXT)]


def ids(before: AnyState | None, after: AnyState | None) -> list[str]:
    return [event.id for event in diff(before, after, CONTEXT)]


def paths(before: AnyState, after: AnyState) -> list[list[str]]:
    return [[change.path for change in event.changes] for event in diff(before, after, CONTEXT)]


EVERY_KIND = [a_service(), a_task(), a_node(), an_engine(), a_network(), a_secret(), a_config()]


@pytest.mark.parametrize("state", EVERY_KIND, ids=lambda state: state.kind)
def test_an_object_that_stays_is_no_event(state):
    assert [] == diff(state, state.model_copy(update={"revision": 7}), CONTEXT)


@pytest.mark.parametrize("state", EVERY_KIND, ids=lambda state: state.kind)
def test_a_removal_tells_the_whole_last_state(state):
    (event,) = diff(state.model_copy(update={"revision": 4}), None, CONTEXT)
    assert (f"{state.kind}/{state.id}@removed.5", "removed", None) == (event.id, event.action, event.after)
    assert event.before is not None
    assert (4, state.version) == (event.before.revision, event.version)


@pytest.mark.parametrize("state", [a_service(), a_node(), an_engine(), a_network(), a_secret(), a_config()])
def test_an_object_first_seen_is_created_with_revision_0(state):
    (event,) = diff(None, state.model_copy(update={"revision": 9}), CONTEXT)
    assert (f"{state.kind}/{state.id}@{state.version}", "created", None) == (event.id, event.action, event.before)
    assert state == event.after


def test_nothing_from_nothing_is_nothing():
    assert [] == diff(None, None, CONTEXT)


def test_states_of_two_objects_are_a_mistake():
    with pytest.raises(ValueError, match="cannot become"):
        diff(a_service("web"), a_service("api"), CONTEXT)


@pytest.mark.parametrize("state", ["running", "complete", "failed", "rejected", "shutdown", "orphaned", "remove"])
def test_a_task_first_seen_in_a_settled_state_is_told_as_having_come_there(state):
    events = diff(None, a_task(state=state), CONTEXT)
    assert ["created", state] == [event.action for event in events]
    assert ["task/task-web-1@20", f"task/task-web-1@20/{state}.1"] == [event.id for event in events]


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "preparing", "ready", "starting"])
def test_a_task_first_seen_under_way_is_only_created(state):
    assert ["created"] == actions(None, a_task(state=state))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (a_node(state="down"), ["created", "down"]),
        (a_node(availability="drain", drained=True), ["created", "drained"]),
        (a_node(state="down", drained=True), ["created", "down", "drained"]),
        (a_node(), ["created"]),
    ],
)
def test_a_node_first_seen_down_or_drained_is_told_so(node, expected):
    assert expected == actions(None, node)


def test_a_service_first_seen_carries_its_condition_in_one_event():
    assert ["created"] == actions(None, a_service(condition=STALLED))


def test_a_task_that_moves_is_told_by_its_states_name():
    before, after = a_task(state="starting"), a_task(state="running", version=21)
    (event,) = diff(before, after, CONTEXT)
    assert ("running", "task/task-web-1@21") == (event.action, event.id)
    assert Change(path="state", before="starting", after="running") in event.changes


def test_a_task_that_changes_otherwise_is_updated():
    assert ["updated"] == actions(a_task(), a_task(desired_state="shutdown", version=21))


def test_a_service_that_changes_and_progresses_is_one_event():
    before, after = a_service(replicas=1), a_service(replicas=3, version=11, condition=PROGRESSING)
    assert [["condition.status", "replicas", "spec.Mode.Replicated.Replicas"]] == paths(before, after)


@pytest.mark.parametrize("status", ["converged", "stalled", "degraded", "rolled-back"])
def test_a_services_new_condition_is_an_event_of_its_own(status):
    before = a_service(condition=PROGRESSING)
    after = a_service(condition=Condition(status=ConditionStatus(status), reason=None))
    assert [f"service/service-web@10/{status}.1"] == ids(before, after)


def test_a_fact_is_told_before_what_follows_from_it():
    before = a_service(condition=PROGRESSING)
    after = a_service(version=11, labels={"a": "b"}, condition=STALLED)
    fact, derived = diff(before, after, CONTEXT)
    assert ("updated", "stalled") == (fact.action, derived.action)
    assert fact.after is not None
    assert fact.after == derived.before
    assert [Change(path="condition.reason", before=None, after="no suitable node")] == [
        change for change in derived.changes if change.path == "condition.reason"
    ]
    assert ("service/service-web@11", "service/service-web@11/stalled.2") == (fact.id, derived.id)


def test_another_reason_of_a_stall_is_an_event():
    other = Condition(status=ConditionStatus.STALLED, reason="No such image: nope:1")
    assert ["stalled"] == actions(a_service(condition=STALLED), a_service(condition=other))


def test_a_node_that_goes_down_is_updated_then_down():
    before, after = a_node(), a_node(state="down", message="heartbeat failure", version=31)
    assert ["node/node-alpha@31", "node/node-alpha@31/down.2"] == ids(before, after)
    assert [["message"], ["state"]] == paths(before, after)


def test_a_node_that_comes_back_is_ready():
    assert ["updated", "ready"] == actions(a_node(state="down"), a_node(version=31))


def test_a_node_whose_last_task_left_is_drained():
    before = a_node(availability="drain")
    assert ["node/node-alpha@30/drained.1"] == ids(before, before.model_copy(update={"drained": True}))


def test_a_node_that_is_no_longer_drained_is_updated():
    assert ["updated"] == actions(a_node(availability="drain", drained=True), a_node(version=31))


def test_a_new_leader_is_told_though_the_version_stays():
    assert ["node/node-alpha@30/updated.1"] == ids(a_node(leader=True), a_node(leader=False))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"x": 1}, [Change(path="spec.x", before=None, after=1)]),
        ({"x": 1}, {}, [Change(path="spec.x", before=1, after=None)]),
        ({"x": {"y": 1, "z": 2}}, {"x": {"y": 1, "z": 3}}, [Change(path="spec.x.z", before=2, after=3)]),
        ({"x": [1, 2]}, {"x": [1, 3]}, [Change(path="spec.x", before=[1, 2], after=[1, 3])]),
        ({"x": {"y": 1}}, {"x": 1}, [Change(path="spec.x", before={"y": 1}, after=1)]),
        ({"x": None}, {}, [Change(path="spec.x", before=None, after=None)]),
    ],
)
def test_changes_are_told_by_path(before, after, expected):
    (event,) = diff(a_service(spec=before), a_service(spec=after, version=11), CONTEXT)
    assert expected == list(event.changes)


def test_the_bookkeeping_of_an_event_is_no_change():
    (event,) = diff(a_service(), a_service(version=11, updated_at="2026-11-01T09:00:00Z"), CONTEXT)
    assert () == event.changes


def test_the_command_that_wrote_the_spec_is_named():
    labels = {COMMAND_LABEL: "c-2"}
    before, after = a_service(labels={COMMAND_LABEL: "c-1"}), a_service(labels=labels, version=11)
    assert ["c-2"] == [event.command for event in diff(before, after, CONTEXT)]


def test_a_command_is_not_named_for_what_others_wrote_later():
    labels = {COMMAND_LABEL: "c-1"}
    before, after = a_service(labels=labels), a_service(labels=labels, replicas=2, version=11)
    assert [None] == [event.command for event in diff(before, after, CONTEXT)]


@pytest.mark.parametrize("state", ["rollback_started", "rollback_paused", "rollback_completed"])
def test_a_way_back_does_not_name_the_command_that_wrote_the_older_spec(state):
    before = a_service(labels={COMMAND_LABEL: "c-2"})
    after = a_service(labels={COMMAND_LABEL: "c-1"}, version=11, update_status=UpdateStatus(state=state))
    assert {None} == {event.command for event in diff(before, after, CONTEXT)}


def test_a_created_service_names_its_command():
    (event,) = diff(None, a_service(labels={COMMAND_LABEL: "c-1"}), CONTEXT)
    assert "c-1" == event.command


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, a_service(created_at="T0"), "T0"),
        (a_service(), a_service(version=11, updated_at="T1"), "T1"),
        (a_task(state="starting"), a_task(version=21, timestamp="T2", updated_at="T3"), "T2"),
        (a_task(), a_task(version=21, desired_state="shutdown", timestamp="T2", updated_at="T3"), "T3"),
        (a_service(condition=PROGRESSING), a_service(), OBSERVED_AT.isoformat()),
        (a_service(), None, OBSERVED_AT.isoformat()),
        (None, an_engine(), OBSERVED_AT.isoformat()),
    ],
)
def test_an_events_time_is_swarms_where_swarm_has_one(before, after, expected):
    assert expected == diff(before, after, CONTEXT)[0].time


def test_a_task_first_seen_running_ran_since_its_own_time():
    _, running = diff(None, a_task(created_at="T0", timestamp="T2"), CONTEXT)
    assert "T2" == running.time
