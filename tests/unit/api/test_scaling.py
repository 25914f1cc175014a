"""The route of scale hooks: what others' webhooks say, and who may send them."""

import httpx
import pytest

from funswarm.gauges import Push
from tests.builders import a_service
from tests.unit.api.fakes import FakeClient, as_

UP, DOWN = Push(step="up"), Push(step="down")


class Client(FakeClient):
    def __init__(self):
        super().__init__()
        self.state["services"] = (a_service(),)
        self.pushed = []

    async def push(self, service, push):
        self.pushed.append((service, push))


@pytest.fixture
def secured(guarded):
    return guarded.of(Client())


async def post(secured, body, user="operator"):
    return await send(secured, "/web", body, user)


def alarm(status, **labels):
    """As Alertmanager sends it, with what is not needed."""
    return {"version": "4", "status": status, "receiver": "r", "groupLabels": labels, "alerts": [{"status": status}]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"value": 12.5}, Push(value=12.5)),
        ({"step": "down"}, DOWN),
        ({"direction": True}, UP),
        ({"direction": False}, DOWN),
        (alarm("firing", scale="up", service="web"), UP),
        (alarm("firing", scale="down", service="web"), DOWN),
        (alarm("firing"), UP),
        (alarm("resolved"), DOWN),
        ({"groupLabels": {"scale": "up", "service": "web"}}, UP),
    ],
)
async def test_what_hooks_say_is_pushed(secured, body, expected):
    answer = await post(secured, body)
    assert (200, [("web", expected)]) == (answer.status_code, secured[0].pushed)


async def send(secured, path, body=None, user="operator"):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(secured[1]), base_url="http://localhost") as http:
        return await http.post(f"/v1/scale-hooks{path}", json=body, headers=as_(user))


@pytest.mark.parametrize("body", [alarm("firing", scale="down", service="web"), alarm("resolved", service="web")])
async def test_an_alarm_may_name_its_service_itself(secured, body):
    assert (200, [("web", DOWN)]) == ((await send(secured, "", body)).status_code, secured[0].pushed)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(alarm("firing"), 400), ({"step": "up"}, 400), (alarm("firing", service="x" * 129), 400),
     (alarm("firing", service="other"), 404)],
)  # fmt: skip
async def test_an_alarm_that_names_none_is_refused(secured, body, expected):
    assert (expected, []) == ((await send(secured, "", body)).status_code, secured[0].pushed)


@pytest.mark.parametrize(("way", "expected"), [("up", [("web", UP)]), ("down", [("web", DOWN)]), ("left", [])])
async def test_a_step_may_stand_in_the_path(secured, way, expected):
    answer = await send(secured, f"/web/{way}")
    assert (200 if expected else 400, expected) == (answer.status_code // 100 * 100, secured[0].pushed)


@pytest.mark.parametrize(("path", "body"), [("", alarm("firing", service="web")), ("/web/up", None)])
@pytest.mark.parametrize(("user", "expected"), [("reader", 403), ("shop", 404)])
async def test_who_may_not_scale_may_send_none_of_them(secured, path, body, user, expected):
    assert (expected, []) == ((await send(secured, path, body, user)).status_code, secured[0].pushed)


async def test_the_end_of_an_alarm_with_a_direction_says_nothing(secured):
    answer = await post(secured, alarm("resolved", scale="up", service="web"))
    assert (200, []) == (answer.status_code, secured[0].pushed)


@pytest.mark.parametrize("body", [{}, {"value": -1}, alarm("firing", scale="left"), alarm("firing", service="db"), []])
async def test_what_is_not_understood_is_refused(secured, body):
    answer = await post(secured, body)
    assert (400, []) == (answer.status_code // 100 * 100, secured[0].pushed)


@pytest.mark.parametrize(("user", "expected"), [("reader", 403), ("shop", 404), ("operator", 200)])
async def test_who_may_scale_may_send_hooks(secured, user, expected):
    assert expected == (await post(secured, {"value": 1}, user)).status_code
