"""The view: answers that race, removals, what a change touches."""

from services.poller.known import Key, Known
from services.poller.view import View
from tests.builders import a_node, a_service, a_task

WEB = ("service", "service-web")


def a_view(*states) -> tuple[View, list[Key]]:
    changed: list[Key] = []
    view = View(changed.append, Known(states))
    return view, changed


def observe(view: View, state) -> bool:
    with view.reading() as reading:
        return view.observe(reading, state)


def listed(view: View, reading, kind: str, *states) -> list[Key]:
    """A complete list comes in; the keys that it removes."""
    for state in states:
        view.observe(reading, state)
    gone = view.missing(reading, list(view.of(kind)), kind, {state.id for state in states})
    for key in gone:
        view.remove(key)
    return gone


def test_a_new_object_is_a_change():
    view, changed = a_view()

    assert observe(view, a_service())
    assert changed == [WEB]


def test_the_same_facts_are_no_change():
    view, changed = a_view(a_service(revision=7))

    assert not observe(view, a_service(condition={"status": "stalled"}))
    assert changed == []


def test_an_older_version_does_not_overwrite_a_newer_one():
    view, _ = a_view(a_service(version=12))

    assert not observe(view, a_service(version=11, replicas=5))


def test_an_older_version_than_before_the_question_was_asked_is_told_apart():
    view, _ = a_view(a_service(version=12))
    with view.reading() as reading:
        assert view.is_back(reading, a_service(version=11))
        assert not view.is_back(reading, a_service(version=12))
        assert not view.is_back(reading, a_service("db", version=1))


def test_an_older_version_than_came_meanwhile_is_only_a_late_answer():
    view, _ = a_view(a_service(version=12))
    with view.reading() as reading:
        observe(view, a_service(version=13))
        observe(view, a_service("db", version=9))

        assert not view.is_back(reading, a_service(version=11))
        assert not view.is_back(reading, a_service("db", version=8))


def test_the_swarm_can_be_followed_back():
    view, changed = a_view(a_service(version=12, replicas=5))
    view.take_back(a_service(version=11))

    assert a_service(version=11) == view.get(WEB)
    assert [WEB] == changed


def test_another_fact_of_the_same_version_is_a_change():
    view, changed = a_view(a_node(leader=False))

    assert observe(view, a_node(leader=True))
    assert changed == [("node", "node-alpha")]


def test_a_changed_task_touches_its_service():
    view, changed = a_view(a_service(), a_task(state="starting"))
    observe(view, a_task(version=21))

    assert changed == [("task", "task-web-1"), WEB]


def test_a_changed_task_touches_the_node_that_is_being_drained():
    view, changed = a_view(a_node(availability="drain"), a_task())
    observe(view, a_task(version=21, state="shutdown"))

    assert ("node", "node-alpha") in changed


def test_a_removed_task_leaves_both_indexes():
    view, _ = a_view(a_task())
    view.remove(("task", "task-web-1"))

    assert not view.tasks_of("service-web")
    assert not view.tasks_on("node-alpha")


def test_a_task_that_is_placed_is_found_on_its_node():
    view, _ = a_view(a_task(node=None, slot=1, state="pending"))
    observe(view, a_task(version=21))

    assert len(view.tasks_on("node-alpha")) == 1
    assert len(view.tasks_of("service-web")) == 1


def test_a_complete_list_removes_what_it_lacks():
    view, _ = a_view(a_service("web"), a_service("db"))
    with view.reading() as reading:
        assert listed(view, reading, "service", a_service("db")) == [WEB]


def test_a_list_does_not_remove_what_appeared_while_it_was_under_way():
    view, _ = a_view()
    with view.reading() as reading:
        observe(view, a_service())

        assert listed(view, reading, "service") == []
    assert view.get(WEB)


def test_the_next_list_removes_it():
    view, _ = a_view()
    with view.reading():
        observe(view, a_service())
    with view.reading() as reading:
        assert listed(view, reading, "service") == [WEB]


def test_a_late_answer_does_not_bring_back_what_was_removed():
    view, changed = a_view(a_service())
    with view.reading() as reading:
        view.remove(WEB)

        assert not view.observe(reading, a_service(version=99))
    assert changed == [WEB]


def test_removing_twice_is_one_change():
    view, changed = a_view(a_service())

    assert view.remove(WEB)
    assert not view.remove(WEB)
    assert changed == [WEB]


def test_the_published_state_takes_the_place_of_the_observed_one():
    view, changed = a_view(a_service())
    published = a_service(revision=3)
    view.settle(published)

    assert view.get(WEB) is published
    assert changed == []


def test_a_newer_observation_is_not_replaced_by_what_was_published():
    view, _ = a_view(a_service(version=12))
    view.settle(a_service(version=11, revision=3))

    assert view.get(WEB) == a_service(version=12)
