"""Traefik's document of a World: what is in it, what is left out, and what is told."""

import pytest

from services.api.traefik.parts import RETRY_NAME
from services.api.traefik.rules import Rule
from services.api.world import Reach
from tests.unit.api.traefik.worlds import (
    NET,
    PORT,
    RULE,
    a_node,
    a_service,
    a_task,
    a_world,
    content,
    problems,
    reasons,
    servers,
)


def test_nothing_is_an_empty_object():
    assert {} == content(a_world(a_service()))


def test_a_service_with_a_router_and_a_port_is_routed():
    assert {
        "http": {
            "routers": {"web": {"rule": "Host(`web.example`)", "service": "web"}},
            "services": {"web": {"loadBalancer": {"servers": [{"url": "http://10.0.1.1:80"}]}}},
        }
    } == content(a_world(a_service(labels=PORT | RULE)))


def test_without_a_router_there_is_one_with_the_default_rule():
    world = a_world(a_service("shop_web", labels=PORT))

    assert {"shop-web": {"rule": "Host(`shop-web`)", "service": "web"}} == content(world)["http"]["routers"]


def test_the_default_rule_is_a_setting():
    rule = Rule.of("Host(`{{ .Name }}.example`)")

    assert (
        "Host(`web.example`)"
        == content(a_world(a_service(labels=PORT)), default_rule=rule)["http"]["routers"]["web"]["rule"]
    )


def test_without_a_port_the_service_is_left_out_and_told():
    world = a_world(a_service(labels=RULE))

    assert [("web", "traefik.http.services.web.loadbalancer.server.port")] == problems(world)
    assert {} == content(world)


def test_a_service_that_says_nothing_has_no_problem():
    assert [] == problems(a_world(a_service()))


def test_a_service_that_only_says_enable_is_told_what_is_missing():
    assert "Swarm does not tell on which port" in reasons(a_world(a_service(labels={"traefik.enable": "true"})))


@pytest.mark.parametrize(
    ("enable", "default", "there"),
    [(None, True, True), (None, False, False), ("true", False, True), ("false", True, False), ("0", True, False)],
)
def test_it_is_exposed_as_its_label_says_else_the_setting(enable, default, there):
    labels = PORT | RULE | ({"Traefik.Enable": enable} if enable else {})

    assert there is bool(content(a_world(a_service(labels=labels)), exposed_by_default=default))


def test_an_enable_that_is_no_boolean_exposes_nothing_and_is_told():
    world = a_world(a_service(labels=PORT | RULE | {"traefik.enable": "yes"}))

    assert ({}, [("web", "traefik.enable")]) == (content(world), problems(world))


@pytest.mark.parametrize("task", [{"state": "starting"}, {"desired_state": "shutdown"}, {"state": "complete"}])
def test_a_task_that_is_not_ready_is_no_server(task):
    world = a_world(a_service(labels=PORT), tasks=[a_task(slot=1), a_task(slot=2, **task)])

    assert ["http://10.0.1.1:80"] == servers(world)


def test_a_task_on_a_node_that_is_down_is_no_server():
    assert [] == servers(a_world(a_service(labels=PORT), nodes=[a_node(state="down")]))


def test_a_service_without_ready_tasks_keeps_its_router():
    world = a_world(a_service(labels=PORT, replicas=0), tasks=[])

    assert {"loadBalancer": {"servers": []}} == content(world)["http"]["services"]["web"]
    assert "web" in content(world)["http"]["routers"]


def test_scheme_and_weight_are_those_of_all_servers():
    lb = "traefik.http.services.web.loadbalancer.server."
    world = a_world(a_service(labels=PORT | {lb + "scheme": "https", lb + "weight": "3", lb + "preservepath": "true"}))

    (server,) = content(world)["http"]["services"]["web"]["loadBalancer"]["servers"]
    assert {"url": "https://10.0.1.1:80", "weight": 3, "preservePath": True} == server


def test_a_url_is_taken_as_it_is_while_a_task_is_ready():
    labels = {"traefik.http.services.web.loadbalancer.server.url": "http://web:80"}

    assert ["http://web:80"] == servers(a_world(a_service(labels=labels), tasks=[a_task(slot=1), a_task(slot=2)]))
    assert [] == servers(a_world(a_service(labels=labels), tasks=[]))


@pytest.mark.parametrize(
    ("said", "bad"), [({"port": "http"}, "port"), ({"port": "0"}, "port"), ({"port": "80", "scheme": "ftp"}, "scheme"),
                      ({"port": "80", "url": "http://a"}, "url")],
)  # fmt: skip
def test_a_server_that_cannot_be_is_left_out_and_told(said, bad):
    lb = "traefik.http.services.web.loadbalancer.server."
    world = a_world(a_service(labels={lb + name: value for name, value in said.items()}))

    assert [("web", lb + bad)] == problems(world)
    assert {} == content(world)


def test_an_ipv6_address_stands_in_brackets():
    task = a_task(reaches=(Reach(NET, "net", "fd00::5"),))

    assert ["http://[fd00::5]:80"] == servers(a_world(a_service(labels=PORT), tasks=[task]))


# TCP and UDP.


def test_tcp_has_addresses_and_links_its_router():
    labels = {"traefik.tcp.routers.db.rule": "HostSNI(`*`)", "traefik.tcp.services.db.loadbalancer.server.port": "5432"}

    assert {
        "tcp": {
            "routers": {"db": {"rule": "HostSNI(`*`)", "service": "db"}},
            "services": {"db": {"loadBalancer": {"servers": [{"address": "10.0.1.1:5432"}]}}},
        }
    } == content(a_world(a_service(labels=labels)))


def test_udp_has_addresses_and_links_its_router():
    labels = {"traefik.udp.routers.d.entrypoints": "dns", "traefik.udp.services.d.loadbalancer.server.port": "53"}

    assert {"d": {"entryPoints": ["dns"], "service": "d"}} == content(a_world(a_service(labels=labels)))["udp"][
        "routers"
    ]
    assert ["10.0.1.1:53"] == servers(a_world(a_service(labels=labels)), "d", "udp")


# Routers and services.


def test_a_router_that_names_no_service_of_several_is_left_out_and_told():
    more = {"traefik.http.services.other.loadbalancer.server.port": "81"}
    world = a_world(a_service(labels=PORT | RULE | more))

    assert [("web", "traefik.http.routers.web")] == problems(world)
    assert "routers" not in content(world)["http"]


def test_a_rule_that_traefik_cannot_read_is_told_and_left_to_traefik():
    world = a_world(a_service(labels=PORT | {"traefik.http.routers.web.rule": "Host(`web.example`"}))

    assert [("web", "traefik.http.routers.web.rule")] == problems(world)
    assert "Host(`web.example`" == content(world)["http"]["routers"]["web"]["rule"]


def test_a_router_to_what_is_defined_elsewhere_stays_as_it_is():
    labels = (
        RULE
        | PORT
        | {"traefik.http.routers.web.service": "api@internal", "traefik.http.routers.web.middlewares": "a@file"}
    )
    world = a_world(a_service(labels=labels))

    router = content(world)["http"]["routers"]["web"]
    assert ("api@internal", ["a@file"], []) == (router["service"], router["middlewares"], problems(world))


def test_what_was_of_traefik_s_own_provider_is_found_here():
    labels = RULE | PORT | {
        "traefik.http.routers.web.middlewares": "m@swarm,c@docker",
        "traefik.http.middlewares.m.compress": "true",
        "traefik.http.middlewares.c.chain.middlewares": "m@swarm",
    }  # fmt: skip
    http = content(a_world(a_service(labels=labels)))["http"]

    assert (["m", "c"], {"middlewares": ["m"]}) == (
        http["routers"]["web"]["middlewares"],
        http["middlewares"]["c"]["chain"],
    )


def test_a_page_for_errors_is_shown_by_a_service_that_is_here():
    errors = {"traefik.http.middlewares.m.errors.service": "web@swarm"}
    http = content(a_world(a_service(labels=RULE | PORT | errors)))["http"]

    assert {"errors": {"service": "web"}} == http["middlewares"]["m"]


def test_a_middleware_that_is_nowhere_is_told():
    assert [("web", "traefik.http.routers.web.middlewares")] == problems(
        a_world(a_service(labels=RULE | PORT | {"traefik.http.routers.web.middlewares": "none"}))
    )


def test_a_router_whose_middleware_is_left_out_is_left_out_and_told_once():
    labels = (
        RULE | PORT | {"traefik.http.routers.web.middlewares": "m", "traefik.http.middlewares.m.basicauth.user": "a"}
    )
    world = a_world(a_service(labels=labels))

    assert "routers" not in content(world)["http"]
    assert [("web", "traefik.http.middlewares.m.basicauth.user")] == problems(world)


# Retries.


def test_a_request_that_no_task_got_is_tried_again():
    http = content(a_world(a_service(labels=PORT | RULE)), retry=True)["http"]

    assert [RETRY_NAME] == http["routers"]["web"]["middlewares"]
    assert {"retry"} == http["middlewares"][RETRY_NAME].keys()


def test_a_label_takes_retries_away():
    world = a_world(a_service(labels=PORT | RULE | {"funswarm.traefik.retry": "false"}))

    assert "middlewares" not in content(world, retry=True)["http"]


def test_there_is_one_retry_only():
    labels = {"traefik.http.routers.web.middlewares": "r", "traefik.http.middlewares.r.retry.attempts": "2"}
    http = content(a_world(a_service(labels=PORT | RULE | labels)), retry=True)["http"]

    assert ["r"] == http["routers"]["web"]["middlewares"]


# Tasks.


def test_routes_to_tasks_are_beside_the_others():
    world = a_world(a_service(labels=PORT | RULE | {"funswarm.tasks.expose": "true"}))
    http = content(world)["http"]

    assert {"web", "funswarm-task-web.1"} <= http["routers"].keys()
    assert ["http://10.0.1.1:80"] == servers(world, "funswarm-task-id-task-web-1")


def test_what_is_not_enabled_has_no_routes_to_tasks_either():
    assert {} == content(a_world(a_service(labels=PORT | {"funswarm.tasks.expose": "true", "traefik.enable": "false"})))
