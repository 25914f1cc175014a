"""The routes of decisions and holds: what they ask of the client, and who may."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from funswarm.decisions import Decision, DecisionOutcome, DecisionPage
from funswarm.holds import Hold
from tests.builders import a_service
from tests.unit.api.fakes import NOW, FakeClient, as_

HOLD = Hold(service="web", until=NOW + timedelta(hours=1))
DECISION = Decision(id="d1", time=NOW, policy="cron", service="web", outcome=DecisionOutcome.NOTHING, reason="because")


class Client(FakeClient):
    def __init__(self):
        super().__init__()
        self.state["services"] = (a_service(), a_service("shop_web"))
        self.put = []

    async def decisions(self, service, *, policy=None, limit=20):
        self.asked.append((service, policy, limit))
        return DecisionPage(items=(DECISION,))

    async def hold(self, hold):
        self.put.append(hold)
        return hold

    async def release(self, service, policy=None):
        self.asked.append((service, policy))
        return (HOLD,)

    async def holds(self, service=None):
        return (HOLD,)


@pytest.fixture
def client(guarded):
    return guarded.of(Client())[0]


@pytest.fixture
async def http(guarded, client):
    transport = httpx.ASGITransport(guarded.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://swarm.test:8484", headers=as_("operator")
    ) as http:
        yield http


async def test_decisions_are_listed_with_their_reasons(http, client):
    answer = await http.get("/v1/services/service-web/decisions?policy=cron&limit=5")
    assert (["because"], [("web", "cron", 5)]) == ([one["reason"] for one in answer.json()["items"]], client.asked)


async def test_a_hold_is_put_in_the_name_of_who_asks(http, client):
    before = datetime.now(UTC)
    answer = await http.put("/v1/services/web/hold", json={"lasts": "1h", "reason": "night"})
    hold = client.put[0]
    assert (200, "web", "operator", "night") == (answer.status_code, hold.service, hold.by, hold.reason)
    assert timedelta(hours=1) <= hold.until - before < timedelta(hours=1, minutes=5)


async def test_a_hold_may_end_at_a_moment_and_be_of_one_policy(http, client):
    until = (NOW + timedelta(days=1)).isoformat()
    await http.put("/v1/services/web/hold", json={"until": until, "policy": "cron"})
    assert (NOW + timedelta(days=1), "cron") == (client.put[0].until, client.put[0].policy)


@pytest.mark.parametrize(
    "body", [{}, {"lasts": "soon"}, {"lasts": "1h", "until": "2026-11-24T12:00:00Z"}, {"lasts": "1h", "policy": "A B"}]
)
async def test_a_hold_that_cannot_be_meant_is_refused(http, client, body):
    assert (400, []) == ((await http.put("/v1/services/web/hold", json=body)).status_code, client.put)


async def test_holds_are_listed_and_ended(http, client):
    assert ["web"] == [one["service"] for one in (await http.get("/v1/services/web/hold")).json()["items"]]
    assert ["web"] == [one["service"] for one in (await http.delete("/v1/services/web/hold")).json()["items"]]
    assert [("web", None)] == client.asked


async def test_a_service_that_is_not_there_cannot_be_held(http, client):
    answer = await http.put("/v1/services/wep/hold", json={"lasts": "1h"})
    assert (404, []) == (answer.status_code, client.put)


async def test_who_only_reads_may_not_hold(http, client):
    answer = await http.put("/v1/services/web/hold", json={"lasts": "1h"}, headers=as_("reader"))
    assert (403, []) == (answer.status_code, client.put)


@pytest.mark.parametrize(("service", "status"), [("shop_web", 200), ("web", 404)])
async def test_who_is_bound_to_a_namespace_holds_and_sees_only_what_is_theirs(http, service, status):
    held = await http.put(f"/v1/services/{service}/hold", json={"lasts": "1h"}, headers=as_("shop"))
    seen = await http.get(f"/v1/services/{service}/decisions", headers=as_("shop"))
    assert [status] * 2 == [held.status_code, seen.status_code]
