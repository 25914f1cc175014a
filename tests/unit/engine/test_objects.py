"""Reads of the engine: what is asked for, what is taken from what is known, where names come from."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from funswarm.errors import Failed, Unavailable, UnknownObject
from funswarm.state import TaskState
from services.engine.asking import Asking
from services.engine.connection import Answer, Request
from services.engine.objects import Objects
from services.engine.settings import EngineSettings
from tests.unit.engine.raws import raw_node, raw_service, raw_task


class FakeAsking(Asking):
    """Answers from a table by path, and keeps what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(EngineSettings())
        self.answers = answers
        self.asked: list[str] = []

    def ask(self, request: Request) -> Answer:
        self.asked.append(request.path)
        if request.path not in self.answers:
            raise UnknownObject(f"{request.what}: the engine says: not found")
        answer = self.answers[request.path]
        return Answer(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def get(self, path: str, what: str, query: Mapping[str, str] | None = None) -> Any:
        return json.loads(self.ask(Request(what, "GET", path, 1, query or {})).body)


def swarm(**answers: Any) -> tuple[Objects, FakeAsking]:
    """One service, one task, one node, unless `answers` says otherwise (`services=` is the path /services)."""
    standard = {"services": [raw_service()], "tasks": [raw_task()], "nodes": [raw_node()]}
    asking = FakeAsking({f"/{path}": answer for path, answer in (standard | answers).items()})
    return Objects(asking), asking


def test_the_first_tasks_come_with_the_names_of_services_and_nodes():
    objects, asking = swarm()
    (task,) = objects.all_of("task", {})
    assert isinstance(task, TaskState)
    assert (("web", "alpha"), ["/services", "/nodes", "/tasks"]) == ((task.service_name, task.node_name), asking.asked)


def test_unchanged_tasks_are_the_very_states_that_are_known():
    objects, _ = swarm()
    known = {task.id: task for task in objects.all_of("task", {})}
    assert all(task is known[task.id] for task in objects.all_of("task", known))


def test_a_known_task_follows_its_nodes_new_name():
    objects, asking = swarm()
    known = {task.id: task for task in objects.all_of("task", {})}
    asking.answers["/nodes"] = [raw_node(Description={"Hostname": "beta"}, version=31)]
    objects.all_of("node", {})
    (task,) = objects.all_of("task", known)
    assert isinstance(task, TaskState)
    assert "beta" == task.node_name


def test_the_name_of_a_new_service_is_asked_for_singly():
    objects, asking = swarm()
    objects.all_of("task", {})
    asking.asked.clear()
    asking.answers |= {"/tasks": [raw_task("api")], "/services/service-api": raw_service("api")}
    (task,) = objects.all_of("task", {})
    assert ("api.1", ["/tasks", "/services/service-api"]) == (task.name, asking.asked)


def test_the_names_of_many_new_services_are_asked_for_by_one_list():
    objects, asking = swarm()
    objects.all_of("task", {})
    asking.asked.clear()
    names = [f"s{number}" for number in range(10)]
    asking.answers |= {"/tasks": [raw_task(name) for name in names], "/services": [raw_service(name) for name in names]}
    tasks = objects.all_of("task", {})
    assert ([f"{name}.1" for name in names], ["/tasks", "/services"]) == ([task.name for task in tasks], asking.asked)


def test_a_service_that_is_gone_is_asked_for_once():
    objects, asking = swarm(tasks=[raw_task("gone")])
    objects.all_of("task", {})
    asking.asked.clear()
    objects.all_of("task", {})
    assert ["/tasks"] == asking.asked


def test_a_changed_task_of_a_service_that_is_gone_keeps_its_known_name():
    objects, _ = swarm()
    known = {task.id: task for task in objects.all_of("task", {})}
    fresh, _ = swarm(tasks=[raw_task(version=21)], services=[raw_service("other")])
    assert ["web.1"] == [task.name for task in fresh.all_of("task", known)]


def test_tasks_of_one_service_are_no_others():
    objects, _ = swarm(tasks=[raw_task("web"), raw_task("web-db")])
    assert ["task-web-1"] == [task.id for task in objects.tasks_of("service-web", {})]


def test_the_tasks_of_a_removed_service_are_there_until_they_are_gone():
    objects, asking = swarm(tasks=[raw_task(), raw_task(slot=2)])
    known = {task.id: task for task in objects.all_of("task", {})}
    del asking.answers["/tasks"]  # filtered by a service that is gone: 404
    asking.answers["/tasks/task-web-2"] = raw_task(slot=2, version=21)
    assert [("web.2", 21)] == [(task.name, task.version) for task in objects.tasks_of("service-web", known)]


def test_an_absent_object_is_none():
    objects, _ = swarm()
    assert [None, None] == [objects.one("task", "nope"), objects.one("secret", "nope")]


def test_an_object_found_by_name_or_prefix_is_not_the_one():
    objects, _ = swarm(**{"services/web": raw_service()})
    assert objects.one("service", "web") is None


def test_a_single_object_that_is_not_understood_is_told():
    objects, _ = swarm(**{"nodes/n": {"ID": "n"}})
    with pytest.raises(Failed, match="not understood"):
        objects.one("node", "n")


@pytest.mark.parametrize("body", [b"<html>", b'{"message":"x"}', b"[{}", b"\xff"])
def test_an_answer_that_is_no_list_is_no_empty_swarm(body):
    objects, _ = swarm(services=body)
    with pytest.raises(Unavailable, match="list services"):
        objects.all_of("service", {})


def test_what_is_not_understood_is_kept_until_the_next_whole_list():
    objects, asking = swarm(nodes=[raw_node(), {"ID": "bad"}])
    objects.all_of("node", {})
    told = [problem.object_id for problem in objects.misunderstood["node"]]
    asking.answers["/nodes"] = [raw_node()]
    objects.all_of("node", {})
    assert (["bad"], ()) == (told, objects.misunderstood["node"])


def test_networks_of_a_single_engine_are_not_listed():
    networks = [{"Id": "n1", "Name": "front", "Scope": "swarm"}, {"Id": "n2", "Name": "bridge", "Scope": "local"}]
    objects, _ = swarm(networks=networks)
    assert ["front"] == [network.name for network in objects.all_of("network", {})]


NETWORKS = [{"Id": "n1", "Name": "front", "Scope": "swarm"}]


def test_a_network_that_a_list_lacks_is_not_gone_while_the_swarm_does_not_answer():
    objects, asking = swarm(networks=NETWORKS)
    known = {network.id: network for network in objects.all_of("network", {})}
    asking.answers["/networks"] = []
    with pytest.raises(UnknownObject):  # /swarm has no answer here
        objects.all_of("network", known)
    asking.answers["/swarm"] = {"ID": "c"}
    assert [] == objects.all_of("network", known)


def test_a_network_that_is_read_in_vain_is_not_gone_while_the_swarm_does_not_answer(monkeypatch):
    objects, asking = swarm()
    real = asking.get

    def get(path, what, query=None):
        if path == "/swarm":
            raise Unavailable("the Swarm does not have a leader")
        return real(path, what, query)

    monkeypatch.setattr(asking, "get", get)
    with pytest.raises(Unavailable):
        objects.one("network", "n1")


def test_a_network_that_is_gone_is_gone():
    objects, _ = swarm(swarm={"ID": "c"})
    assert objects.one("network", "n1") is None


def test_the_tasks_of_a_service_that_is_not_understood_are_listed_with_all_others():
    odd = raw_service("odd", Spec={"Name": "odd", "Mode": {"Future": {}}})
    objects, asking = swarm(tasks=[raw_task("odd"), raw_task()])
    asking.answers |= {"/services": [raw_service(), odd], "/services/service-odd": odd}
    assert {"web.1", "service-odd.1"} == {task.name for task in objects.all_of("task", {})}


def test_of_services_asked_for_by_id_those_that_only_begin_like_one_are_left_out():
    objects, _ = swarm(services=[raw_service(ID="abc"), raw_service(ID="abcd")])
    assert ["abc"] == [state.id for state in objects.some("service", ["abc"], {})]


def test_tasks_asked_for_by_id_have_the_names_of_their_services():
    objects, _ = swarm()
    objects.all_of("service", {})
    (task,) = objects.some("task", [raw_task()["ID"]], {})
    assert isinstance(task, TaskState)
    assert "web" == task.service_name


def test_of_services_whose_list_is_there_nothing_more_is_asked():
    objects, asking = swarm()
    answer = asking.ask(objects.list_of("service", id=["service-web"]))
    asking.asked.clear()
    states = objects.some("service", ["service-web", "gone"], {}, answer)
    assert (["service-web"], []) == ([state.id for state in states], asking.asked)


def test_the_tasks_of_a_service_whose_list_is_there_are_those_of_the_list():
    objects, asking = swarm()
    answer = asking.ask(objects.list_of("task", service=["service-web"]))
    assert ["task-web-1"] == [task.id for task in objects.tasks_of("service-web", {}, answer)]
    assert 1 == asking.asked.count("/tasks")
