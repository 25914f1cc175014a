"""A task is found by its slot, its node, its container's name or its id, with what leads to it."""

import pytest

from funswarm.errors import UnknownObject
from funswarm.places import place_of
from funswarm.task_routes import TaskRouting
from tests.builders import a_node, a_service, a_task

WEB = a_service("web")
ENDED = a_task(id="old", state="failed", desired_state="shutdown")
TASKS = (ENDED, a_task(id="new1", created_at="2026-11-02T08:00:00Z", container_id="c" * 64), a_task(slot=10, id="ten"))


def found(name, service=WEB, tasks=TASKS, nodes=()):
    return place_of(name, service, tasks, nodes, TaskRouting())


def unknown(name, **others):
    with pytest.raises(UnknownObject) as error:
        found(name, **others)
    return str(error.value)


def test_a_slot_is_its_task_now_and_those_before():
    place = found("web.1")
    assert ("new1", ["old"]) == (place.task.id, [task.id for task in place.before])


@pytest.mark.parametrize("name", ["old", "ol", "web.1.old"])
def test_an_id_is_that_task_alone(name):
    place = found(name)
    assert ("old", ()) == (place.task.id, place.before)


@pytest.mark.parametrize("name", ["agent.alpha", "agent.node-alpha"])
def test_a_task_of_a_global_service_is_found_by_its_nodes_name_and_id(name):
    task = a_task("agent", slot=None, node="alpha")
    assert task == found(name, a_service("agent", mode="global"), (task,)).task


def test_who_asks_for_a_slot_that_is_not_there_is_told_which_are():
    assert "there is no task 'web.2': web has web.1, web.10" == unknown("web.2")


def test_a_service_without_tasks_says_so():
    assert "there is no task 'web.1': web has no tasks" == unknown("web.1", tasks=())


def test_not_all_of_very_many_places_are_named():
    assert unknown("web.99", tasks=[a_task(slot=slot) for slot in range(1, 26)]).endswith(" and 5 more")


def test_what_begins_several_ids_is_refused():
    assert "2 tasks' ids begin with 't': give more of it" == unknown("t", tasks=(a_task(id="t1"), a_task(id="t2")))


def test_a_running_task_has_a_shell():
    assert "docker exec -it cccccccccccc sh" == found("web.1").docker_exec


def test_an_ended_task_has_no_shell():
    assert found("old").docker_exec is None


def test_its_node_is_reached_by_name_and_address():
    place = found("web.1", nodes=(a_node("alpha", address="10.0.0.11"),))
    assert ("ssh://alpha", "10.0.0.11") == (place.docker_host, place.node_address)


def test_its_routes_are_those_of_its_place():
    service = a_service("web", labels={"funswarm.tasks.expose": "true", "funswarm.tasks.port": "80"})
    routes = found("web.10", service).routes
    assert routes is not None
    assert ("/tasks/web.10",) == routes.paths
