"""The routes of webhooks: who may, and what a client is asked for. What it answers: tests/nats/test_hooks_asked.py."""

import httpx
import pytest

from funswarm.errors import Failed, Unavailable
from funswarm.hooks import Hook, HookStatus
from funswarm.messages import Code
from tests.unit.api.fakes import FakeClient, as_

BODY = {"url": "https://example.com/x"}


class Client(FakeClient):
    """Keeps one webhook."""

    async def hooks(self):
        raise Unavailable("no active notifier answers")

    async def put_hook(self, hook: Hook):
        if hook.name == "filed":
            raise Failed("change it there", Code.CONFLICT)
        return HookStatus(hook=hook, source="put", state="ok")


@pytest.fixture
async def http(guarded):
    _, app = guarded.of(Client())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484") as http:
        yield http


@pytest.mark.parametrize(("who", "status"), [("reader", 403), ("operator", 403), ("shop", 403), ("admin", 503)])
async def test_only_admins_of_the_whole_swarm_see_webhooks(http, who, status):
    assert status == (await http.get("/v1/hooks", headers=as_(who))).status_code


@pytest.mark.parametrize(("who", "status"), [("reader", 403), ("operator", 403), ("shop", 403), ("admin", 200)])
async def test_only_admins_of_the_whole_swarm_put_webhooks(http, who, status):
    assert status == (await http.put("/v1/hooks/alerts", json=BODY, headers=as_(who))).status_code


async def test_the_name_is_that_of_the_path(http):
    answer = await http.put("/v1/hooks/alerts", json=BODY, headers=as_("admin"))
    assert "alerts" == answer.json()["hook"]["name"]


async def test_one_of_a_file_cannot_be_changed(http):
    answer = await http.put("/v1/hooks/filed", json=BODY, headers=as_("admin"))
    assert (409, "conflict") == (answer.status_code, answer.json()["code"])


async def test_a_fault_in_the_body_has_its_place(http):
    answer = await http.put("/v1/hooks/alerts", json=BODY | {"kinds": ["servis"]}, headers=as_("admin"))
    assert (400, "/kinds") == (answer.status_code, answer.json()["errors"][0]["pointer"])
