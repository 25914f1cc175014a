"""The routes that read, and those for operators."""

import asyncio

import httpx
import pytest

from funswarm.errors import Unavailable
from funswarm.messages import PartHealth
from services.api.app import build
from services.api.figures import Figures
from services.api.settings import ApiSettings
from tests.builders import a_node, a_service, a_task
from tests.unit.api.fakes import NOW, FakeClient, no_proxies


def a_part(part, **others):
    return PartHealth(
        **{"part": part, "instance": "1", "version": "1", "started_at": NOW, "active": True, "ok": True} | others
    )


async def test_services_are_listed(http, client):
    client.state["services"] = (a_service("api"), a_service("web"))

    assert ["api", "web"] == [item["name"] for item in (await http.get("/v1/services")).json()["items"]]


async def test_one_service_is_its_state(http, client):
    client.state["services"] = (a_service("web"),)

    assert a_service("web").model_dump(mode="json") == (await http.get("/v1/services/web")).json()


async def test_the_version_of_one_object_is_its_etag(http, client):
    client.state["services"] = (a_service("web", version=7),)

    assert '"7"' == (await http.get("/v1/services/web")).headers["etag"]


@pytest.mark.parametrize("path", ["/v1/services/web", "/v1/nodes/alpha"])
async def test_what_is_not_there_is_404(http, path):
    answer = await http.get(path)

    assert 404 == answer.status_code
    assert path.rpartition("/")[2] in answer.json()["detail"]


async def test_tasks_are_asked_for_by_service_and_node(http, client):
    client.state["tasks"] = (a_task("web"),)

    answer = await http.get("/v1/tasks?service=web&node=alpha")

    assert [{"service": "web", "node": "alpha"}] == client.asked
    assert ["web.1"] == [item["name"] for item in answer.json()["items"]]


@pytest.mark.parametrize("name", ["web.1", "task-web-1"])
async def test_one_task_is_found_by_slot_and_by_id(http, client, name):
    client.state |= {"services": (a_service("web"),), "tasks": (a_task("web"),), "nodes": (a_node("alpha"),)}

    found = (await http.get(f"/v1/tasks/{name}")).json()

    assert ("task-web-1", "ssh://alpha") == (found["task"]["id"], found["docker_host"])


async def test_a_slot_that_is_not_there_is_404_with_those_that_are(http, client):
    client.state |= {"services": (a_service("web"),), "tasks": (a_task("web"),)}

    answer = await http.get("/v1/tasks/web.2")

    assert (404, True) == (answer.status_code, "web has web.1" in answer.json()["detail"])


async def test_nodes_are_listed_and_given_one_by_one(http, client):
    client.state["nodes"] = (a_node("alpha"),)

    assert ["alpha"] == [item["name"] for item in (await http.get("/v1/nodes")).json()["items"]]
    assert "alpha" == (await http.get("/v1/nodes/alpha")).json()["name"]


async def test_reads_without_a_poller_are_503_with_the_reason(http, client):
    client.unavailable = Unavailable("no poller answers")

    answer = await http.get("/v1/services")

    assert (503, "no poller answers") == (answer.status_code, answer.json()["detail"])


async def test_alive_needs_nobody(http, client):
    client.unavailable = Unavailable("NATS is away")

    assert 200 == (await http.get("/healthz")).status_code


async def test_ready_is_with_an_active_poller_and_scheduler(http, client):
    client.state["parts"] = (a_part("poller"), a_part("scheduler"))

    assert 200 == (await http.get("/readyz")).status_code


async def test_not_ready_says_what_is_missing(http, client):
    client.state["parts"] = (a_part("poller"), a_part("scheduler", active=False))

    answer = await http.get("/readyz")

    assert 503 == answer.status_code
    assert "no scheduler is active" in answer.json()["detail"]


async def test_metrics_are_those_of_all_parts(http):
    before = await _counted(http)
    await http.get("/healthz")

    text = (await http.get("/metrics")).text

    assert 'other{instance="poller-1"} 1' in text
    assert before + 1 == await _counted(http)


async def _counted(http):
    """Answers of GET /healthz."""
    text = (await http.get("/metrics")).text
    counter = 'funswarm_api_requests_total{instance="api-1",method="GET",route="/healthz",status="200"} '
    return float(text.partition(counter)[2].partition("\n")[0] or 0)


async def test_metrics_without_nats_are_its_own(http, client):
    client.unavailable = Unavailable("NATS is away")

    answer = await http.get("/metrics")

    assert 200 == answer.status_code
    assert "funswarm_api_event_streams" in answer.text


async def test_the_landing_page_leads_to_health(http):
    assert 'href="/health"' in (await http.get("/")).text


@pytest.fixture(scope="module")
def simulated():
    client = FakeClient()
    return build(client, ApiSettings(simulator=True), Figures(), asyncio.Event(), "api-1", proxies=no_proxies(client))


@pytest.mark.parametrize("path", ["/health", "/v1/services/none", "/none"])
async def test_on_the_simulator_every_answer_says_so(simulated, path):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(simulated), base_url="http://test") as http:
        assert "true" == (await http.get(path)).headers["funswarm-simulator"]


async def test_on_a_real_engine_nothing_is_said_of_a_simulator(http):
    assert "funswarm-simulator" not in (await http.get("/health")).headers
