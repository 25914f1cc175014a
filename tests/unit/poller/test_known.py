"""Known: the fold of the events."""

from services.poller.diff import EventContext, diff
from services.poller.known import Known, key_of
from tests.builders import CLUSTER, OBSERVED_AT, a_service, a_task

CONTEXT = EventContext(CLUSTER, OBSERVED_AT)


def test_folding_the_events_gives_the_state():
    known = Known()
    for event in diff(None, a_task(), CONTEXT):
        known.apply(event)

    assert known.get(key_of(a_task())) == a_task(revision=1)  # created, then running


def test_a_removal_leaves_nothing():
    known = Known([a_service()])
    for event in diff(a_service(), None, CONTEXT):
        known.apply(event)

    assert known.keys() == []


def test_folding_an_event_twice_changes_nothing():
    known = Known()
    for event in diff(None, a_service(), CONTEXT) * 2:
        known.apply(event)

    assert len(known) == 1


def test_members_moves_only_when_objects_come_and_go():
    known = Known([a_service()])
    before = known.members["service"]
    known.put(a_service(version=11))
    assert known.members["service"] == before

    known.drop(key_of(a_service()))
    assert known.members["service"] == before + 1
