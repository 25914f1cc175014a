"""The Swarm as the api follows it: what of the feed is kept, and when it has changed."""

import pytest

from funswarm.changes import Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.state import Address
from services.api.world import Fold, Reach
from tests.builders import a_node, a_service, a_task
from tests.nats.client_scene import a_changed


def told(*states, fold=None):
    fold = fold or Fold()
    for item in (SnapshotBegin(), *(Snapshotted(state) for state in (a_node(), *states)), SnapshotEnd(1)):
        fold.take(item)
    return fold


def told_nothing(fold=None):
    fold = fold or Fold()
    fold.take(SnapshotBegin())
    fold.take(SnapshotEnd(1))
    return fold


def ids(fold, service="web"):
    return [task.id for task in fold.world().tasks.get(f"service-{service}", ())]


def test_there_is_no_world_before_the_end_of_the_first_snapshot():
    fold = Fold()
    for item in (SnapshotBegin(), Snapshotted(a_service())):
        fold.take(item)

    assert (None, False) == (fold.world(), fold.complete)


def test_a_snapshot_without_a_node_makes_no_world():
    fold = told_nothing()
    fold.filled()

    assert (None, False, True) == (fold.world(), fold.complete, fold.filling)


def test_what_fills_an_empty_stream_is_the_world_once_it_pauses_with_a_node():
    fold = told_nothing()
    for state in (a_node(), a_service(), a_task()):
        fold.take(a_changed(None, state))
    assert fold.world() is None
    fold.filled()

    assert (True, ["task-web-1"]) == (fold.complete, ids(fold))


def test_while_an_empty_stream_fills_the_world_stays():
    fold = told_nothing(told(a_service(), a_task()))
    fold.take(a_changed(None, a_node("other")))
    assert ["task-web-1"] == ids(fold)
    fold.filled()

    assert [] == ids(fold)


def test_a_snapshot_makes_the_world():
    world = told(a_service(), a_task(), a_node()).world()

    assert (["web"], ["alpha"]) == (
        [one.name for one in world.services.values()],
        [one.name for one in world.nodes.values()],
    )
    assert ["task-web-1"] == [task.id for task in world.ready_tasks("service-web")]


@pytest.mark.parametrize("others", [{"desired_state": "shutdown"}, {"desired_state": "remove"}, {"state": "failed"}])
def test_a_task_that_leaves_or_has_ended_is_not_kept(others):
    fold = told(a_service(), a_task())
    fold.take(a_changed(a_task(), a_task(**others)))

    assert [] == ids(fold)


def test_a_task_that_starts_is_kept_and_is_not_ready():
    fold = told(a_service(), a_task(state="starting"))

    assert ["task-web-1"] == ids(fold)
    assert [] == fold.world().ready_tasks("service-web")


def test_a_task_on_a_node_that_is_down_is_not_ready():
    assert [] == told(a_service(), a_task(), a_node(state="down")).world().ready_tasks("service-web")


def test_what_changes_nothing_of_interest_leaves_the_revision():
    fold = told(a_service(), a_task())
    before = fold.world()
    fold.take(a_changed(a_service(), a_service(version=11, update_status="completed")))
    fold.take(a_changed(a_task(), a_task(message="another")))

    assert fold.world() is before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (a_service(), a_service(labels={"a": "b"})),
        (a_service(), a_service(replicas=2)),
        (a_task(), None),
        (a_task(), a_task(state="starting")),
        (a_service(), None),
        (a_node(), a_node(state="down")),
        (None, a_task(slot=2)),
    ],
)
def test_what_is_of_interest_moves_the_revision(before, after):
    fold = told(a_service(), a_task(), a_node())
    old = fold.world()
    fold.take(a_changed(before, after))

    assert old.revision + 1 == fold.revision
    assert old != fold.world()


def test_the_removal_of_what_was_not_kept_changes_nothing():
    fold = told(a_service())
    fold.take(a_changed(a_task(desired_state="shutdown"), None))

    assert 1 == fold.revision


def test_a_world_once_given_stays_as_it_was():
    fold = told(a_service(), a_task())
    world = fold.world()
    fold.take(a_changed(None, a_task(slot=2)))

    assert ["task-web-1"] == [task.id for task in world.tasks["service-web"]]
    assert ["task-web-1", "task-web-2"] == ids(fold)


def test_tasks_are_in_the_order_of_their_slots():
    assert [2, 10] == [task.slot for task in told(a_task(slot=10), a_task(slot=2)).world().tasks["service-web"]]


def test_while_it_is_told_anew_the_world_stays():
    fold = told(a_service(), a_task())
    for item in (Relisted("why"), SnapshotBegin(), Snapshotted(a_service("other"))):
        fold.take(item)

    assert (False, ["web"]) == (fold.complete, [one.name for one in fold.world().services.values()])


def test_what_is_told_anew_and_is_the_same_leaves_the_revision():
    fold = told(a_service(), a_task())
    before = fold.world()
    told(a_service(), a_task(), fold=fold)

    assert fold.world() is before


def test_what_is_told_anew_takes_the_place_of_all_before():
    fold = told(a_service(), a_task())
    told(a_service("other"), a_task("other"), fold=fold)

    assert (2, [], ["task-other-1"]) == (fold.revision, ids(fold), ids(fold, "other"))


def test_addresses_are_without_their_masks():
    address = Address(network_id="n1", network="net", addresses=("10.0.1.5/24",))
    (task,) = told(a_task(addresses=(address,))).world().tasks["service-web"]

    assert (Reach("n1", "net", "10.0.1.5"),) == task.addresses


def test_names_of_networks_are_learned_from_tasks():
    address = Address(network_id="n1", network="net", addresses=("10.0.1.5/24",))

    assert {"n1": "net"} == told(a_task(addresses=(address,))).world().networks


def test_a_service_has_the_networks_that_its_spec_names():
    spec = {"Name": "web", "TaskTemplate": {"Networks": [{"Target": "n1"}, {"Target": "n2", "Aliases": ["x"]}]}}

    assert ("n1", "n2") == told(a_service(spec=spec)).world().services["service-web"].networks
