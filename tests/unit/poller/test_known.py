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


def test_an_object_that_is_back_goes_on_with_its_revisions_under_ids_of_its_own():
    known, ids = Known(), []
    for before, after in [(None, a_task()), (a_task(revision=1), None)] * 2:
        first_revision = known.first_revision(key_of(a_task()))
        for event in diff(
            before and known.get(key_of(before)), after, EventContext(CLUSTER, OBSERVED_AT, first_revision)
        ):
            known.apply(event)
            ids.append(event.id.partition("@")[2])

    assert ["20", "20/running.1", "removed.2", "20/created.3", "20/running.4", "removed.5"] == ids


def test_removed_objects_are_remembered_up_to_a_number(monkeypatch):
    monkeypatch.setattr("services.poller.known.REMOVED_MAX", 1)
    known = Known()
    for state in (a_service("web"), a_service("api")):
        for event in diff(state, None, CONTEXT):
            known.apply(event)

    assert [0, 2] == [known.first_revision(key_of(state)) for state in (a_service("web"), a_service("api"))]
