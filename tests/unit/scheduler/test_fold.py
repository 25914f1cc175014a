"""The fold of the feed into the services that there are: snapshots, events, gaps, names used again."""

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.state import ServiceState
from services.poller.diff import EventContext, diff
from services.scheduler.fold import Services
from tests.builders import CLUSTER, OBSERVED_AT, a_service


def _snapshot(*states: ServiceState) -> list[Item]:
    return [SnapshotBegin(), *map(Snapshotted, states), SnapshotEnd(1)]


def _changed(before: ServiceState | None, after: ServiceState | None) -> list[Item]:
    events = diff(before, after, EventContext(CLUSTER, OBSERVED_AT))
    return [Changed(2, event.kind, event.action, event.model_dump_json().encode()) for event in events]


def _folded(*items: Item) -> Services:
    services = Services()
    for item in items:
        services.take(item)
    return services


WEB, API = a_service("web"), a_service("api")


def test_a_snapshot_tells_the_services():
    assert ["web", "api"] == list(_folded(*_snapshot(WEB, API)).names)


def test_it_is_complete_at_the_end_of_the_snapshot_only():
    items = _snapshot(WEB)
    assert [False, True] == [_folded(*items[:-1]).complete, _folded(*items).complete]


def test_half_a_snapshot_takes_nothing_away():
    services = _folded(*_snapshot(WEB), Relisted("gone"), SnapshotBegin(), Snapshotted(API))
    assert (["web"], False) == (list(services.names), services.complete)


def test_what_a_new_snapshot_does_not_name_is_gone():
    services = _folded(*_snapshot(WEB, API), Relisted("gone"), *_snapshot(API))
    assert (["api"], True) == (list(services.names), services.complete)


def test_a_created_service_is_known():
    assert "web" == _folded(*_snapshot(), *_changed(None, WEB)).name_of(WEB.id)


def test_a_removed_service_is_forgotten():
    services = _folded(*_snapshot(WEB), *_changed(WEB, None))
    assert (None, 0) == (services.name_of(WEB.id), len(services))


def test_a_name_that_is_used_again_is_the_newer_services():
    again = a_service("web", id="service-web-2")
    services = _folded(*_snapshot(WEB), *_changed(None, again), *_changed(WEB, None))
    assert again.id == services.id_of("web")


def test_the_name_of_a_removed_service_is_nobodys():
    assert _folded(*_snapshot(WEB), *_changed(WEB, None)).id_of("web") is None


def test_a_name_that_is_used_again_stays_when_the_removal_of_the_old_service_is_told_late():
    again = a_service("web", id="service-web-2")
    services = _folded(*_snapshot(WEB), *_changed(None, again), *_changed(WEB, None))
    assert (["web"], None) == (list(services.names), services.name_of(WEB.id))


def test_the_age_is_that_of_the_newest_change():
    assert OBSERVED_AT == _folded(*_snapshot(), *_changed(None, WEB)).told_at


def test_a_change_touches_its_service_by_name_and_id():
    (item,) = _changed(WEB, a_service("web", replicas=3, version=11))
    assert {"web", WEB.id} == Services().take(item)


def test_a_snapshot_touches_what_was_there_and_what_is():
    services = _folded(*_snapshot(WEB), SnapshotBegin(), Snapshotted(API))
    assert {"web", WEB.id, "api", API.id} == services.take(SnapshotEnd(9))


def test_a_feed_that_ended_leaves_what_is_known():
    services = _folded(*_snapshot(WEB))
    services.broken()
    assert (["web"], False) == (list(services.names), services.complete)
