"""Which routes lead to single tasks, by their service's labels."""

import pytest

from funswarm.state import Port
from funswarm.task_routes import TaskRouting, place_names, places_of, task_routes
from tests.builders import a_service, a_task

PORT = "traefik.http.services.web.loadbalancer.server.port"
BY_LABEL = TaskRouting()


def exposed(*, mode="replicated", ports=(), replicas=1, **labels):
    named = {key.replace("_", "."): value for key, value in labels.items()}
    named = {"funswarm.tasks.expose": "true", "funswarm.tasks.port": "80"} | named
    return a_service(
        labels={key: value for key, value in named.items() if value}, mode=mode, ports=ports, replicas=replicas
    )


def routes(service, *tasks, routing=BY_LABEL):
    found = task_routes(service, tasks, routing)
    assert () == found.problems
    return found.routes


def the_problem(service):
    found = task_routes(service, [a_task()], BY_LABEL)
    assert () == found.routes
    return found.problems[0]


def test_a_service_that_does_not_say_so_has_no_routes():
    assert () == routes(a_service(), a_task())


def test_a_slot_has_a_path_and_its_task_another():
    (route,) = routes(exposed(), a_task(slot=1))
    assert ("/tasks/web.1",) == route.paths
    assert {"task-web-1": "/tasks/id/task-web-1"} == route.task_paths


def test_where_there_is_a_domain_a_slot_has_a_host():
    (route,) = routes(exposed(), a_task(slot=2), routing=TaskRouting(domain="tasks.example.org"))
    assert ("2.web.tasks.example.org",) == route.hosts


def test_a_place_of_a_global_service_is_named_by_its_nodes_id_and_name():
    (route,) = routes(exposed(mode="global"), a_task(slot=None, node="alpha"))
    assert ("/tasks/web.node-alpha", "/tasks/web.alpha") == route.paths


def test_two_nodes_of_one_name_are_told_apart_by_their_ids_alone():
    twins = [a_task(id=one, name=f"web.{one}", slot=None, node_id=one, node_name="same") for one in ("a", "b")]
    assert [("/tasks/web.a",), ("/tasks/web.b",)] == [route.paths for route in routes(exposed(mode="global"), *twins)]


def test_a_nodes_name_that_a_rule_cannot_quote_is_not_used():
    assert ("n1",) == place_names((0, "n1"), "`) || PathPrefix(`/")


def test_a_slot_follows_to_the_task_that_replaces_its_own():
    old = a_task(id="old", desired_state="shutdown")
    new = a_task(id="new", created_at="2026-11-02T08:00:00Z")
    (route,) = routes(exposed(), old, new)
    assert "new" == route.task_id


def test_a_slot_stays_with_its_task_until_the_next_is_ready():
    old = a_task(id="old")
    new = a_task(id="new", state="starting", created_at="2026-11-02T08:00:00Z")
    (route,) = routes(exposed(), old, new)
    assert "old" == route.task_id


def test_a_slot_whose_tasks_have_all_ended_keeps_its_route_to_nowhere():
    (route,) = routes(exposed(), a_task(state="failed", desired_state="shutdown"))
    assert route.task_id is None
    assert ("/tasks/web.1",) == route.paths


def test_a_slot_that_is_taken_away_has_no_route():
    (route,) = routes(exposed(), a_task(slot=1), a_task(slot=2, desired_state="remove"))
    assert "web.1" == route.place


def test_a_slot_whose_task_is_yet_to_be_made_has_its_route():
    found = routes(exposed(replicas=3), a_task(slot=2))
    assert [("web.1", None), ("web.2", "task-web-2"), ("web.3", None)] == [(one.place, one.task_id) for one in found]


def test_slots_need_not_begin_with_the_first():
    assert ["web.7"] == [route.place for route in routes(exposed(), a_task(slot=7))]


def test_the_port_is_the_labels_own_first():
    (route,) = routes(exposed(ports=(Port(target=8080),), funswarm_tasks_port="81", **{PORT: "82"}), a_task())
    assert 81 == route.port


def test_the_port_is_traefiks_where_no_other_is_set():
    service = exposed(ports=(Port(target=8080),), funswarm_tasks_port="", **{PORT: "82"})
    (route,) = routes(service, a_task())
    assert (82, "http") == (route.port, route.scheme)


def test_the_scheme_comes_with_traefiks_port():
    scheme = {PORT: "443", PORT.replace("port", "scheme"): "https"}
    (route,) = routes(exposed(funswarm_tasks_port="", **scheme), a_task())
    assert (443, "https") == (route.port, route.scheme)


def test_the_port_is_the_only_one_that_the_service_publishes():
    (route,) = routes(
        exposed(ports=(Port(target=8080), Port(target=53, protocol="udp")), funswarm_tasks_port=""), a_task()
    )
    assert 8080 == route.port


def test_a_port_that_is_not_clear_is_a_problem_that_says_which_there_are():
    problem = the_problem(exposed(ports=(Port(target=80), Port(target=81)), funswarm_tasks_port=""))
    assert ("web", "funswarm.tasks.port") == (problem.service, problem.label)
    assert "80, 81" in problem.reason


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "٣"])
def test_what_is_no_port_is_a_problem(port):
    assert port == the_problem(exposed(funswarm_tasks_port=port)).value


def test_what_is_neither_true_nor_false_is_a_problem():
    assert "funswarm.tasks.expose" == the_problem(exposed(funswarm_tasks_expose="yes")).label


def test_the_setting_exposes_all_that_do_not_refuse():
    service, refusing = a_service(ports=(Port(target=80),)), exposed(funswarm_tasks_expose="false")
    everything = TaskRouting(expose=True)
    assert 1 == len(routes(service, a_task(), routing=everything))
    assert () == routes(refusing, a_task(), routing=everything)


def test_a_service_without_a_port_is_no_problem_where_only_the_setting_exposes_it():
    assert () == routes(a_service(), a_task(), routing=TaskRouting(expose=True))


def test_what_no_proxy_leads_to_has_no_routes_to_its_tasks():
    assert () == routes(exposed(**{"traefik.enable": "False"}), a_task())


def test_a_jobs_tasks_have_no_routes():
    assert () == routes(exposed(mode="replicated-job"), a_task())


def test_entry_points_and_middlewares_are_listed_by_commas():
    labels = {"funswarm.tasks.entrypoints": "inner, outer", "funswarm.tasks.middlewares": "auth@file"}
    (route,) = routes(exposed(**labels), a_task())
    assert (("inner", "outer"), ("auth@file",)) == (route.entrypoints, route.middlewares)


def test_the_tasks_of_a_place_come_newest_first():
    times = ("2026-11-01T08:00:05.1Z", "2026-11-01T08:00:05.12Z")
    ended = [a_task(id=time, state="failed", desired_state="shutdown", created_at=time) for time in times]
    assert list(reversed(times)) == [task.id for task in places_of(ended)[1, ""]]
