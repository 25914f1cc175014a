"""GET /health and GET /create, as the proof of concept had them."""

import pytest

from funswarm.messages import Code, Health, ServiceSummary
from funswarm.state import Condition
from services.api.original import free_name
from tests.unit.api.fakes import a_result, refused


def a_summary(name):
    counts = {"mode": "replicated", "running": 1, "desired": 2}
    return ServiceSummary(id=name, name=name, image="nginx", updated_at="", condition=Condition(), **counts)


async def test_health_lists_the_services(http, client):
    client.found_health = Health(ok=True, services=(a_summary("web"),))

    answer = await http.get("/health")

    assert 200 == answer.status_code
    assert [("web", 1, 2)] == [(one["name"], one["running"], one["desired"]) for one in answer.json()["services"]]


async def test_bad_health_is_503_with_the_reasons(http, client):
    client.found_health = Health(ok=False, reasons=("no poller answers",))

    answer = await http.get("/health")

    assert (503, ["no poller answers"]) == (answer.status_code, answer.json()["reasons"])


async def test_create_without_arguments_creates_nginx_as_the_original_did(http, client):
    answer = await http.get("/create")

    (command,) = client.submitted
    assert 201 == answer.status_code
    assert ("service-1", "nginx:latest") == (command.service.name, command.service.image)
    assert ["fun-swarm"] == [network.name for network in command.service.networks]


async def test_create_takes_the_first_free_number(http, client):
    client.state["summaries"] = (a_summary("service-1"), a_summary("service-3"), a_summary("web"))

    await http.get("/create")

    assert "service-2" == client.submitted[0].target


async def test_create_takes_the_next_number_where_another_was_faster(http, client):
    client.outcome = lambda command: (
        refused(Code.NAME_TAKEN)(command) if command.target == "service-1" else a_result(command)
    )

    answer = await http.get("/create")

    assert (201, "/v1/services/service-2") == (answer.status_code, answer.headers["location"])
    assert 2 == len({command.id for command in client.submitted})


async def test_a_repeated_key_answers_with_the_service_it_created(http, client):
    await http.get("/create", headers={"Idempotency-Key": "abc"})
    client.results["abc"] = a_result(client.submitted[0])
    client.state["summaries"] = (a_summary("service-1"),)

    answer = await http.get("/create", headers={"Idempotency-Key": "abc"})

    assert (201, "/v1/services/service-1") == (answer.status_code, answer.headers["location"])
    assert 1 == len(client.submitted)


async def test_create_by_link_takes_name_image_and_replicas(http, client):
    await http.get("/create?name=web&image=redis:7&replicas=4")

    service = client.submitted[0].service
    assert ("web", "redis:7", 4) == (service.name, service.image, service.replicas)


async def test_create_by_link_refuses_what_cannot_be_a_name(http, client):
    answer = await http.get("/create?name=no%20name")

    assert 400 == answer.status_code
    assert [] == client.submitted


async def test_create_by_post_takes_a_whole_service(http, client):
    await http.post("/create", json={"name": "web", "image": "nginx", "env": {"A": "1"}})

    assert {"A": "1"} == client.submitted[0].service.env


async def test_head_creates_nothing(http, client):
    answer = await http.head("/create")

    assert (405, "GET, POST", []) == (answer.status_code, answer.headers["allow"], client.submitted)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Referer": "http://evil.test/page"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"},  # over plain http, the page's name kept back
    ],
)
async def test_another_sites_page_creates_nothing(http, client, headers):
    answer = await http.get("/create", headers=headers)

    assert (403, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert [] == client.submitted


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://swarm.test:8484"},
        {"User-Agent": "Mozilla/5.0", "Referer": "http://swarm.test:8484/"},
    ],
)
async def test_a_typed_address_or_our_own_page_creates(http, headers):
    assert 201 == (await http.get("/create", headers=headers)).status_code


async def test_another_sites_page_cannot_restart_with_a_form_either(http, client):
    answer = await http.post("/v1/services/web/restart", headers={"Origin": "http://evil.test"})

    assert 403 == answer.status_code
    assert [] == client.submitted


def test_the_free_name_fills_gaps():
    assert "service-2" == free_name("service", {"service-1", "service-3"})
