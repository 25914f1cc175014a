"""The laws of the event chain, for any states: fold, order, ids."""

from hypothesis import given
from hypothesis import strategies as st

from funswarm.messages import Event
from funswarm.state import AnyState, Condition, ConditionStatus, UpdateStatus
from services.poller.diff import EventContext, diff
from tests.builders import CLUSTER, OBSERVED_AT, a_node, a_service, a_task, an_engine

CONTEXT = EventContext(CLUSTER, OBSERVED_AT)

labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=2)
conditions = st.builds(Condition, status=st.sampled_from(ConditionStatus), reason=st.sampled_from([None, "r1", "r2"]))
update_states = st.sampled_from([None, UpdateStatus(state="updating"), UpdateStatus(state="completed")])
services = st.builds(
    a_service, replicas=st.integers(0, 2), labels=labels, condition=conditions, update_status=update_states
)
tasks = st.builds(
    a_task,
    state=st.sampled_from(["pending", "starting", "running", "failed"]),
    desired_state=st.sampled_from(["running", "shutdown"]),
    error=st.sampled_from([None, "boom"]),
)
nodes = st.builds(
    a_node,
    state=st.sampled_from(["ready", "down", "unknown"]),
    availability=st.sampled_from(["active", "drain"]),
    drained=st.booleans(),
    leader=st.booleans(),
)
engines = st.builds(an_engine, reachable=st.booleans(), reason=st.sampled_from([None, "away"]))


def histories(of: st.SearchStrategy[AnyState]) -> st.SearchStrategy[list[AnyState]]:
    """States of one object, whose version never goes back."""

    def versioned(pairs: list[tuple[AnyState, bool]]) -> list[AnyState]:
        version, states = 1, []
        for state, moves in pairs:
            version += moves
            states.append(state.model_copy(update={"version": version}))
        return states

    return st.lists(st.tuples(of, st.booleans()), min_size=1, max_size=6).map(versioned)


anything = st.one_of(histories(services), histories(tasks), histories(nodes), histories(engines))


def told(states: list[AnyState]) -> list[Event]:
    """The events of a history, each step from what the last event said."""
    events: list[Event] = []
    last: AnyState | None = None
    for state in states:
        events += diff(last, state, CONTEXT)
        last = events[-1].after
    return events + diff(last, None, CONTEXT)


@given(anything)
def test_a_state_does_not_differ_from_itself(states):
    assert [] == diff(states[0], states[0], CONTEXT)


@given(anything)
def test_the_last_event_has_the_state(states):
    before, after = states[0], states[-1]
    events = diff(before, after, CONTEXT)
    folded = events[-1].after if events else before
    assert folded is not None
    assert after.model_copy(update={"revision": folded.revision}) == folded


@given(anything)
def test_each_event_begins_where_the_one_before_ended(states):
    events = told(states)
    assert [None, *(event.after for event in events)] == [*(event.before for event in events), None]


@given(anything)
def test_revisions_count_the_events(states):
    *events, _ = told(states)
    assert list(range(len(events))) == [event.after.revision for event in events if event.after]


@given(anything)
def test_ids_are_unique(states):
    ids = [event.id for event in told(states)]
    assert sorted(set(ids)) == sorted(ids)


@given(anything)
def test_the_same_step_always_has_the_same_ids(states):
    assert [event.id for event in told(states)] == [event.id for event in told(states)]


@given(anything)
def test_every_event_after_the_first_sight_tells_a_change_or_a_version(states):
    before, after = states[0], states[-1]
    for event in diff(before, after, CONTEXT):
        assert event.before is not None
        assert event.changes or event.version > event.before.version


@given(anything)
def test_events_survive_the_wire(states):
    for event in told(states):
        assert event == Event.model_validate_json(event.model_dump_json())
