"""The routes of schedules: what they ask of the client, who may, and what they show."""

from datetime import timedelta

import httpx
import pytest

from funswarm.errors import UnknownSchedule
from funswarm.schedules import Cancelled, Firing, Schedule, Scheduled
from funswarm.state import REDACTED
from tests.unit.api.fakes import NOW, FakeClient, as_

SCALE = {"verb": "scale", "target": "web", "replicas": 2}
DRAIN = {"verb": "drain", "target": "node-1"}
UPDATE = {"verb": "update", "target": "web", "changes": {"env": {"PASSWORD": "secret-1"}}}
TOO_LONG = {"verb": "batch", "target": "b", "commands": [{"name": "i" * 31, "command": SCALE}]}


class Client(FakeClient):
    """Keeps schedules in memory."""

    def __init__(self):
        super().__init__()
        self.kept = {}
        self.asked = []

    async def schedule(self, schedule, *, requested_by=None, namespaces=()):
        self.asked.append((requested_by, tuple(namespaces)))
        self.kept[schedule.name] = schedule
        return await self.scheduled(schedule.name)

    async def schedules(self, *, namespaces=()):
        self.asked.append((None, tuple(namespaces)))
        return tuple([await self.scheduled(name) for name in self.kept])

    async def scheduled(self, name, *, namespaces=()):
        if name not in self.kept:
            raise UnknownSchedule(f"there is no schedule {name!r}")
        return Scheduled(schedule=self.kept[name], since=NOW, next=self.kept[name].coming(NOW, NOW))

    async def cancel(self, name, *, namespaces=()):
        await self.scheduled(name)
        del self.kept[name]
        return Cancelled(name=name, underway=Firing(command_id=f"{name}-1", due=NOW))


@pytest.fixture
def client(guarded):
    return guarded.of(Client())[0]


@pytest.fixture
async def http(guarded, client):
    transport = httpx.ASGITransport(guarded.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484", headers=as_("admin")) as http:
        yield http


async def test_a_schedule_is_put_under_the_name_of_its_path(http, client):
    answer = await http.put("/v1/schedules/nightly", json={"command": SCALE, "every": "1h"})
    assert (200, 3) == (answer.status_code, len(answer.json()["next"]))
    assert Schedule.model_validate({"name": "nightly", "command": SCALE, "every": 3600}) == client.kept["nightly"]
    assert [("admin", ())] == client.asked


async def test_schedules_are_listed_shown_and_cancelled(http, client):
    await http.put("/v1/schedules/nightly", json={"command": SCALE, "every": "1h"})
    listed = (await http.get("/v1/schedules")).json()["items"]
    shown = (await http.get("/v1/schedules/nightly")).json()
    assert (["nightly"], (NOW + timedelta(hours=1)).isoformat()) == (
        [one["schedule"]["name"] for one in listed], shown["next"][0].replace("Z", "+00:00"),
    )  # fmt: skip
    assert "nightly-1" == (await http.delete("/v1/schedules/nightly")).json()["underway"]["command_id"]
    assert {} == client.kept


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_schedule_that_is_not_there_is_404(http, method):
    answer = await http.request(method, "/v1/schedules/absent")
    assert (404, "unknown-schedule") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("nightly", {"command": SCALE}),
        ("nightly", {"command": SCALE, "cron": "61 * * * *"}),
        ("nightly", {"command": SCALE, "every": 1.5}),
        ("nightly", {"command": {"verb": "explode"}, "every": 1}),
        ("a.b", {"command": SCALE, "every": 1}),
        ("n" * 46, {"every": 1, "command": TOO_LONG}),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_400(http, name, body):
    assert 400 == (await http.put(f"/v1/schedules/{name}", json=body)).status_code


async def test_values_of_an_environment_are_not_shown(http, client):
    put = await http.put("/v1/schedules/nightly", json={"command": UPDATE, "every": "1h"})
    shown, listed = await http.get("/v1/schedules/nightly"), await http.get("/v1/schedules")
    assert REDACTED == shown.json()["schedule"]["command"]["changes"]["env"]["PASSWORD"]
    assert "secret-1" not in put.text + shown.text + listed.text
    assert "secret-1" in client.kept["nightly"].model_dump_json()


@pytest.mark.parametrize(
    ("who", "command", "status"),
    [
        ("reader", SCALE, 403), ("operator", SCALE, 200), ("operator", DRAIN, 403), ("admin", DRAIN, 200),
        ("shop", SCALE, 200),
    ],
)  # fmt: skip
async def test_who_may_do_a_command_may_put_a_schedule_of_it(http, who, command, status):
    body = {"command": command, "every": "1h"}
    assert status == (await http.put("/v1/schedules/nightly", json=body, headers=as_(who))).status_code


async def test_a_schedule_for_admins_is_cancelled_by_admins_only(http, client):
    await http.put("/v1/schedules/nightly", json={"command": DRAIN, "every": "1h"})
    assert 403 == (await http.delete("/v1/schedules/nightly", headers=as_("operator"))).status_code
    assert ["nightly"] == list(client.kept)


async def test_a_schedule_for_admins_is_replaced_by_admins_only(http, client):
    await http.put("/v1/schedules/nightly", json={"command": DRAIN, "every": "1h"})
    body = {"command": SCALE, "every": "1h"}
    assert 403 == (await http.put("/v1/schedules/nightly", json=body, headers=as_("operator"))).status_code
    assert "drain" == client.kept["nightly"].command.verb


async def test_namespaces_go_with_what_is_put_and_listed(http, client):
    await http.put("/v1/schedules/nightly", json={"command": SCALE, "every": "1h"}, headers=as_("shop"))
    await http.get("/v1/schedules", headers=as_("shop"))
    assert [("shop", ("shop",)), (None, ("shop",))] == client.asked
