"""The routes to single tasks as Traefik is told them."""

from funswarm.state import Address
from funswarm.task_routes import TaskRouting
from services.api.traefik.task_routes import task_part
from tests.builders import a_service, a_task
from tests.unit.api.test_world import told

EXPOSED = {"funswarm.tasks.expose": "true", "funswarm.tasks.port": "80"}
AT = (Address(network_id="n1", network="net", addresses=("10.0.1.5/24",)),)


def first_address(_, task):
    return task.addresses[0].address if task.addresses else None


def part_of(*tasks, routing=TaskRouting(), **labels):  # noqa: B008  frozen
    named = {f"funswarm.tasks.{key}": value for key, value in labels.items()}
    world = told(a_service(labels=EXPOSED | named), *tasks).world()
    return task_part(world, world.services["service-web"], routing, first_address)


def test_a_service_that_is_not_exposed_adds_nothing():
    part = part_of(a_task(addresses=AT), expose="false")
    assert ({}, {}, {}) == (part.routers, part.middlewares, part.services)


def test_the_path_of_a_slot_leads_to_its_task():
    part = part_of(a_task(addresses=AT))
    router = part.routers["funswarm-task-web.1"]
    assert "Path(`/tasks/web.1`) || PathPrefix(`/tasks/web.1/`)" == router["rule"]
    assert {"loadBalancer": {"servers": [{"url": "http://10.0.1.5:80"}]}} == part.services[router["service"]]


def test_the_path_of_a_task_leads_to_it_while_it_is_ready():
    assert "funswarm-task-id-task-web-1" in part_of(a_task(addresses=AT)).routers
    assert "funswarm-task-id-task-web-1" not in part_of(a_task(state="starting")).routers


def test_a_slot_without_a_ready_task_leads_to_a_service_without_servers():
    part = part_of(a_task(state="starting"))
    assert {"loadBalancer": {"servers": []}} == part.services[part.routers["funswarm-task-web.1"]["service"]]


def test_a_task_without_an_address_has_no_server():
    part = part_of(a_task())
    assert {"loadBalancer": {"servers": []}} == part.services["funswarm-task-id-task-web-1"]


def test_an_ipv6_address_stands_in_brackets():
    part = part_of(a_task(addresses=(Address(network_id="n1", addresses=("fd00::5/64",)),)))
    assert {"url": "http://[fd00::5]:80"} in part.services["funswarm-task-id-task-web-1"]["loadBalancer"]["servers"]


def test_the_host_of_a_slot_cuts_nothing_off():
    router = part_of(a_task(), routing=TaskRouting(domain="example.org")).routers["funswarm-task-web.1-host"]
    assert ("Host(`1.web.example.org`)", None) == (router["rule"], router.get("middlewares"))


def test_the_services_middlewares_come_before_our_own():
    router = part_of(a_task(), middlewares="auth@file").routers["funswarm-task-web.1"]
    assert ["auth@file", "funswarm-task-strip"] == router["middlewares"]


def test_entry_points_are_the_labels_else_traefiks_own():
    assert ["inner"] == part_of(a_task(), entrypoints="inner").routers["funswarm-task-web.1"]["entryPoints"]
    assert "entryPoints" not in part_of(a_task()).routers["funswarm-task-web.1"]


def test_the_problem_of_a_label_is_handed_on():
    assert ["funswarm.tasks.port"] == [problem.label for problem in part_of(a_task(), port="none").problems]
