"""The api as a whole: real HTTP, real NATS; with and without the parts behind it."""

import asyncio

import httpx
import pytest

from funswarm.errors import Failed
from funswarm.messages import Code, ServicePage, SummaryPage
from services.api.serving import serve
from services.settings import Settings
from tests.builders import a_service
from tests.nats.api_scene import serving
from tests.nats.client_scene import a_part, answer_health, scheduling
from tests.servers import free_port
from tests.waiting import until


@pytest.fixture
async def http(shared_nats, bus, prefix):
    async with serving(shared_nats.url, prefix) as http:
        yield http


async def give(bus, name, answer):
    async def handle(_):
        return answer.model_dump_json().encode()

    await bus.serve("test", {bus.subjects.query(name): handle}, "1.0.0")


async def test_a_service_is_created_over_http(bus, http):
    async with scheduling(bus) as done:
        answer = await http.post("/v1/services", json={"name": "web", "image": "nginx"})

    assert (201, "/v1/services/web") == (answer.status_code, answer.headers["location"])
    assert ["web"] == [command.target for command in done]


async def test_create_by_get_counts_up(bus, http):
    await give(bus, "summary", SummaryPage(items=(), cluster="c"))
    async with scheduling(bus) as done:
        assert 201 == (await http.get("/create")).status_code

    assert "service-1" == done[0].target


async def test_the_same_key_is_done_once(bus, http):
    async with scheduling(bus) as done:
        for _ in range(2):
            answer = await http.post("/v1/services/web/restart", headers={"Idempotency-Key": "abc"})
            assert 200 == answer.status_code

    assert 1 == len(done)


async def test_a_key_of_another_command_is_409(bus, http):
    async with scheduling(bus):
        await http.post("/v1/services/web/restart", headers={"Idempotency-Key": "abc"})
        answer = await http.post("/v1/services/api/restart", headers={"Idempotency-Key": "abc"})

    assert (409, Code.CONFLICT) == (answer.status_code, answer.json()["code"])


async def test_without_a_scheduler_a_command_is_accepted_and_done_later(bus, http):
    answer = await http.post("/v1/services/web/restart?wait=0.2")
    assert 202 == answer.status_code

    async with scheduling(bus):
        found = await http.get(f"{answer.headers['location']}?wait=60")

    assert "succeeded" == found.json()["status"]


async def test_services_are_read(bus, http):
    await give(bus, "services", ServicePage(items=(a_service("web"),)))

    assert ["web"] == [item["name"] for item in (await http.get("/v1/services")).json()["items"]]


async def test_without_a_poller_reads_are_503_with_the_reason(http):
    answer = await http.get("/v1/services")

    assert 503 == answer.status_code
    assert "poller" in answer.json()["detail"]


async def test_it_counts_among_the_parts_and_their_metrics(bus, http):
    async def found():
        return [part for part in (await http.get("/health")).json()["parts"] if part["part"] == "api"]

    assert (await until(found, "the api's own health"))[0]["ok"]

    async def counted():
        return "funswarm_api_requests_total{" in (await http.get("/metrics")).text

    await until(counted, "its metrics")


async def test_on_the_simulator_answers_say_so_once_a_part_does(bus, http):
    await answer_health(bus, a_part("poller", simulator=True))

    async def said():
        return (await http.get("/healthz")).headers.get("funswarm-simulator") == "true"

    await until(said, "the header")
    (itself,) = (part for part in (await http.get("/health")).json()["parts"] if part["part"] == "api")
    assert itself["simulator"] is True


async def test_it_is_ready_with_a_poller_and_a_scheduler(bus, http):
    assert 503 == (await http.get("/readyz")).status_code
    await answer_health(bus, a_part("poller"))
    await answer_health(bus, a_part("scheduler"))

    async def ready():
        return (await http.get("/readyz")).status_code == 200

    await until(ready, "it to be ready")


async def test_it_starts_without_nats_and_works_when_it_comes(nats):
    nats.stop()
    async with serving(nats.url) as http:
        answer = await http.get("/health")
        assert (503, False) == (answer.status_code, answer.json()["ok"])
        assert "not reached" in answer.json()["reasons"][0]
        nats.start()

        async def reached():
            return "no poller answers: start one" in (await http.get("/health")).json()["reasons"]

        await until(reached, "NATS to be reached")


async def test_an_answer_in_progress_ends_before_the_process_does(shared_nats, bus, prefix):
    stop = asyncio.Event()
    async with serving(shared_nats.url, prefix, stop) as http:
        waiting = asyncio.create_task(http.post("/v1/services/web/restart?wait=1"))
        await anext(await bus.consume_commands())
        stop.set()
        assert 202 == (await waiting).status_code


async def test_a_port_that_is_taken_is_said(nats):
    async with serving(nats.url) as http:
        settings = Settings(nats_url=nats.url, http_host="127.0.0.1", http_port=httpx.URL(http.base_url).port)
        with pytest.raises(Failed, match="FUNSWARM_HTTP_PORT"):
            await serve(settings, asyncio.Event())


async def test_a_stop_before_the_start_is_a_stop():
    stop = asyncio.Event()
    stop.set()
    settings = Settings(nats_url=f"nats://127.0.0.1:{free_port()}", http_host="127.0.0.1", http_port=free_port())
    async with asyncio.timeout(60):
        await serve(settings, stop)


async def test_it_leaves_no_task(shared_nats, prefix):
    before = asyncio.all_tasks()
    async with serving(shared_nats.url, prefix) as http:
        await http.get("/health")
    await until(lambda: asyncio.all_tasks() <= before, "all tasks to end")
