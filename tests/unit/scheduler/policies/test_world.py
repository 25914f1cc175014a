"""The Swarm as policies see it, folded from the feed."""

from datetime import UTC, datetime

import pytest

from funswarm.changes import Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from services.scheduler.plan_node import DRAIN_LABEL
from services.scheduler.policies.depends_on import DependsOn
from services.scheduler.policies.drain import Drain
from services.scheduler.policies.group import Group
from services.scheduler.policies.record import moment
from tests.builders import a_change, a_node, a_service, a_task
from tests.floors import Floor, a_world

LABELS = {"funswarm.floor": "3"}


class Tasked(Floor):
    needs_tasks = True


def seen(world, name="web"):
    return world.service(name)


def test_of_a_service_that_nobody_follows_only_what_it_reserves_is_kept():
    resources = {"Reservations": {"MemoryBytes": 5}}
    spec = {"TaskTemplate": {"Resources": resources, "ContainerSpec": {"Image": "x"}}}
    world = a_world([a_service(spec=spec), a_service("kept", spec=spec, labels=LABELS)])
    assert {"TaskTemplate": {"Resources": resources}} == seen(world).spec
    assert spec == seen(world, "kept").spec


def test_a_change_touches_the_service():
    world = a_world([a_service()])
    assert {"web"} == world.take(a_change(a_service(), a_service(replicas=2)))
    assert 2 == seen(world).replicas


def test_a_policy_may_follow_any_service_until_all_are_known():
    world = a_world([])
    world.take(Relisted("a test"))
    assert world.may_follow("floor", "web")
    for item in (SnapshotBegin(), Snapshotted(a_service()), Snapshotted(a_service("kept", labels=LABELS))):
        world.take(item)
    world.take(SnapshotEnd(1))
    assert [False, True, False] == [world.may_follow("floor", name) for name in ("web", "kept", "gone")]


def test_a_removed_service_is_gone():
    world = a_world([a_service()])
    world.take(a_change(a_service(), None))
    assert (None, []) == (world.service("web"), list(world.services()))


def test_a_name_that_another_has_before_the_removal_of_the_first_is_told_is_the_other_s():
    world = a_world([a_service()])
    other = a_service(id="other")
    world.take(a_change(None, other))
    world.take(a_change(a_service(), None))
    assert other.id == seen(world).id


def test_who_depends_on_a_service_is_touched_with_it():
    world = a_world([a_service(labels={"funswarm.depends-on": "db"}), a_service("db")], (DependsOn(),))
    assert {"web", "db"} == world.take(a_change(a_service("db"), a_service("db", version=11)))


def test_a_group_is_touched_together():
    labels = {"funswarm.group": "shop", "funswarm.group.size": "2"}
    one, two = a_service("a", labels=labels), a_service("b", labels=labels)
    assert {"a", "b"} == a_world([one, two], (Group(),)).take(a_change(one, None))


def test_tasks_are_kept_only_of_services_with_a_policy_that_needs_them():
    world = a_world([a_service(labels=LABELS), a_service("db")], (Tasked(),), [a_task(), a_task("db"), a_node()])
    assert (1, 0, 1) == (len(world.tasks_of("service-web")), len(world.tasks_of("service-db")), len(world.nodes()))


def test_a_task_that_is_forgotten_is_gone():
    world = a_world([a_service(labels=LABELS)], (Tasked(),), [a_task()])
    assert {"web"} == world.take_tasks(a_change(a_task(), None), world.need_tasks())
    assert () == world.tasks_of("service-web")


def test_a_node_touches_who_needs_nodes():
    world = a_world([a_service(labels=LABELS), a_service("db")], (Tasked(),), [])
    assert {"web"} == world.take_tasks(a_change(None, a_node()), world.need_tasks())


def test_lost_events_make_it_incomplete():
    world = a_world([a_service()])
    world.take(Relisted("too slow"))
    assert not world.complete


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("2026-11-23T12:00:00.123456789Z", 123456), ("2026-11-23T12:00:00.1Z", 100000), ("2026-11-23T12:00:00Z", 0)],
)
def test_swarm_s_times_are_read_to_the_microsecond(text, microsecond):
    assert datetime(2026, 11, 23, 12, 0, 0, microsecond, tzinfo=UTC) == moment(text)


def test_all_services_are_asked_for_while_a_node_is_drained():
    world = a_world([a_service()], (Drain(),), [a_node()])
    assert ([], frozenset()) == (world.followed(), world.need_tasks())
    marked = a_world([a_service()], (Drain(),), [a_node(labels={DRAIN_LABEL: "c1"}, availability="pause"), a_task()])
    assert (["web"], frozenset({"service-web"})) == (marked.followed(), marked.need_tasks())
    assert marked.knows_tasks_of("service-web")


def test_tasks_of_services_that_were_not_asked_for_are_not_known():
    world = a_world([a_service()], (Floor(),), [a_node(), a_task()])
    assert not world.knows_tasks_of("service-web")


TWO = (a_service(labels=LABELS), a_service("db", labels=LABELS))


def told_anew(world, *states):
    needed = world.need_tasks()
    for item in (SnapshotBegin(), *map(Snapshotted, states)):
        assert set() == world.take_tasks(item, needed)
    return world.take_tasks(SnapshotEnd(1), needed)


def test_tasks_are_known_while_they_are_told_anew():
    world = a_world([TWO[0]], (Tasked(),), [a_node(), a_task()])
    world.take_tasks(SnapshotBegin(), world.need_tasks())
    assert (True, (a_task(),)) == (world.knows_tasks_of("service-web"), world.tasks_of("service-web"))


def test_a_task_that_is_not_told_again_is_gone():
    world = a_world([TWO[0]], (Tasked(),), [a_node(), a_task()])
    assert {"web"} == told_anew(world, a_node())
    assert () == world.tasks_of("service-web")


def test_of_tasks_that_are_told_anew_only_what_is_new_touches():
    world = a_world([TWO[0]], (Tasked(),), [a_node(), a_task()])
    world.take(a_change(None, TWO[1]))
    assert {"db"} == told_anew(world, a_node(), a_task())
    assert set() == told_anew(world, a_node(), a_task())


def test_another_node_in_what_is_told_anew_touches_all():
    world = a_world([*TWO], (Tasked(),), [a_node(), a_task()])
    assert {"web", "db"} == told_anew(world, a_task())
