"""The HTTP API: docker-flow-swarm-listener's serve_test.go. The port is a setting there is none for."""

import json

import httpx
import pytest

from funswarm.errors import Unavailable
from services.notifier.docker_flow.server import BASE, build

SERVICES = [{"serviceName": "demo", "nodeInfo": '[["node-1","1.2.3.4","id"]]', "distribute": "true"}]
NODES = [{"id": "node1", "hostname": "a", "address": "10.0.0.1"}]


class FakeListener:
    def __init__(self) -> None:
        self.knows, self.active = True, True
        self.notified = 0
        self.errors: list[str] = []

    async def services(self):
        return SERVICES if self.knows else None

    async def nodes(self):
        return NODES if self.knows else None

    async def notify_all(self):
        if not self.active:
            raise Unavailable("no copy is active")
        self.notified += 1

    def metrics(self):
        return "docker_flow_service_count 1\n"

    def error(self, operation):
        self.errors.append(operation)


@pytest.fixture
def listener():
    return FakeListener()


@pytest.fixture
async def http(listener):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(listener)), base_url="http://listener") as http:
        yield http


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_ping_answers_to_any_method(http, method):
    answer = await http.request(method, f"{BASE}/ping")
    assert (200, "application/json", '{"Status":"OK"}') == (
        answer.status_code, answer.headers["content-type"], answer.text,
    )  # fmt: skip


async def test_notify_services_notifies(http, listener):
    answer = await http.get(f"{BASE}/notify-services")
    assert (200, "application/json", '{"Status":"OK"}', 1) == (
        answer.status_code, answer.headers["content-type"], answer.text, listener.notified,
    )  # fmt: skip


async def test_services_are_flat_objects_of_texts(http):
    answer = await http.get(f"{BASE}/get-services")
    expected = '[{"distribute":"true","nodeInfo":"[[\\"node-1\\",\\"1.2.3.4\\",\\"id\\"]]","serviceName":"demo"}]'
    assert (200, "application/json", expected) == (answer.status_code, answer.headers["content-type"], answer.text)


async def test_nodes_are_flat_objects_of_texts(http):
    answer = await http.get(f"{BASE}/get-nodes")
    assert (200, "application/json", NODES) == (
        answer.status_code, answer.headers["content-type"], json.loads(answer.text),
    )  # fmt: skip


@pytest.mark.parametrize(("path", "operation"), [("services", "serveGetServices"), ("nodes", "serveGetNodes")])
async def test_before_all_is_known_there_is_no_list(http, listener, path, operation):
    listener.knows = False
    answer = await http.get(f"{BASE}/get-{path}")
    assert (503, [operation]) == (answer.status_code, listener.errors)


async def test_where_nobody_is_active_nobody_is_notified(http, listener):
    listener.active = False
    assert 503 == (await http.get(f"{BASE}/notify-services")).status_code


async def test_metrics_are_for_prometheus(http):
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_another_path_is_not_found(http):
    assert 404 == (await http.get("/v1/docker-flow-swarm-listener")).status_code
