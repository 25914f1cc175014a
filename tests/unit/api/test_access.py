"""Who may: tokens, roles and namespaces over HTTP."""

import asyncio
import base64
import os
from dataclasses import replace

import httpx
import pytest

from funswarm.changes import Snapshotted
from funswarm.errors import Failed
from funswarm.messages import Health, Problem, ServiceSummary
from funswarm.namespaces import STACK_LABEL
from funswarm.tokens import Role
from services.api.access import role_needed
from services.api.app import build
from services.api.figures import Figures
from tests.builders import a_service, a_task
from tests.unit.api.fakes import SETTINGS, TOKENS, FakeClient, FakeFeed, a_result, as_, no_proxies, token_lines

SERVICES = (
    a_service("shop_web", id="s1"),
    a_service("other_web", id="s2"),
    a_service("shop_eu_web", id="s3", labels={STACK_LABEL: "shop_eu"}),
)


@pytest.fixture
def secured(guarded):
    """A client, the application over it, its figures, and the file of its tokens."""
    return *guarded.of(FakeClient()), guarded.figures, guarded.file


@pytest.fixture
def client(secured):
    return secured[0]


@pytest.fixture
async def http(secured, client):
    transport = httpx.ASGITransport(secured[1], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484") as http:
        yield http


def in_url(name):
    """As of `http://wake:TOKEN@api`."""
    return {"Authorization": f"Basic {base64.b64encode(f'wake:{TOKENS[name][0]}'.encode()).decode()}"}


# Tokens.
async def test_where_only_a_url_can_be_given_a_token_is_its_password(http):
    assert 200 == (await http.get("/api/themes", headers=in_url("reader"))).status_code
    assert 401 == (await http.get("/api/themes")).status_code


@pytest.mark.parametrize("given", ["Basic d2FrZTp3cm9uZw==", "Basic nonsense", "Basic //79", "Basic", b"Basic \xe9"])
async def test_what_is_no_password_lets_nobody_in(http, given):
    assert 401 == (await http.get("/api/themes", headers={"Authorization": given})).status_code


async def test_elsewhere_a_password_is_no_token(http):
    assert 401 == (await http.get("/v1/services", headers=in_url("admin"))).status_code


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKENS['admin'][0]}"}, {"Authorization": ""}],
)
async def test_who_has_no_known_token_is_not_let_in(http, headers):
    answer = await http.get("/v1/services", headers=headers)
    assert (401, "application/problem+json", "unauthenticated") == (
        answer.status_code, answer.headers["content-type"], answer.json()["code"],
    )  # fmt: skip
    assert answer.headers["www-authenticate"].startswith('Bearer realm="funswarm"')


@pytest.mark.parametrize("path", ["/metrics", "/health", "/v1/events", "/v1/nodes", "/create", "/no/such/place"])
async def test_what_tells_of_the_swarm_needs_a_token(http, path):
    assert 401 == (await http.get(path)).status_code


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/openapi.json"])
async def test_what_tells_nothing_of_the_swarm_needs_none(http, path):
    assert 200 == (await http.get(path)).status_code


async def test_readiness_needs_no_token(http):
    assert 503 == (await http.get("/readyz")).status_code


async def test_the_answer_does_not_repeat_the_token(http):
    answer = await http.get("/v1/services", headers={"Authorization": "Bearer sesame-open"})
    assert "sesame-open" not in answer.text


async def test_the_scheme_is_understood_in_any_case(http):
    answer = await http.get("/v1/services", headers={"Authorization": f"bearer {TOKENS['reader'][0]}"})
    assert 200 == answer.status_code


async def test_who_is_not_let_in_is_counted(http, secured):
    await http.get("/v1/services")
    assert 'funswarm_http_denied_total{reason="unauthenticated"}' in secured[2].text()


async def test_a_changed_file_counts_from_the_next_look_on(http, secured, monkeypatch):
    monkeypatch.setattr("services.files.LOOK_S", 0.0)
    monkeypatch.setattr(secured[1]._access._file, "_look_at", 0.0)
    secured[3].write_text(token_lines("reader"))
    try:
        assert 401 == (await http.get("/health", headers=as_("admin"))).status_code
        assert 200 == (await http.get("/health", headers=as_("reader"))).status_code
    finally:
        secured[3].write_text(token_lines(*TOKENS))
        await http.get("/health", headers=as_("reader"))


async def test_a_stream_ends_with_its_token(http, secured, client, monkeypatch):
    monkeypatch.setattr("services.files.LOOK_S", 0.0)
    monkeypatch.setattr(secured[1]._access._file, "_look_at", 0.0)

    class Feed(FakeFeed):
        async def next(self, timeout_s):
            if len(self.items) == 1:
                secured[3].write_text(token_lines("reader"))
            return await super().next(timeout_s)

    client.feed = Feed([Snapshotted(a_service("before")), Snapshotted(a_service("after"))])
    try:
        async with asyncio.timeout(60):
            answer = await http.get("/v1/events", headers=as_("admin"))
    finally:
        secured[3].write_text(token_lines(*TOKENS))
        await http.get("/health", headers=as_("reader"))
    assert [True, True, False] == [text in answer.text for text in ("before", "the token was taken away", "after")]


async def test_a_file_that_cannot_be_read_any_more_changes_nothing(http, secured, monkeypatch):
    monkeypatch.setattr("services.files.LOOK_S", 0.0)
    monkeypatch.setattr(secured[1]._access._file, "_look_at", 0.0)
    secured[3].write_text("nonsense")
    try:
        assert 200 == (await http.get("/health", headers=as_("admin"))).status_code
    finally:
        secured[3].write_text(token_lines(*TOKENS))
        os.utime(secured[3], ns=(1, 1))


@pytest.mark.parametrize("text", [None, "", '{"name": "x"}'])
def test_without_a_usable_file_it_does_not_start(tmp_path, text):
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Failed, match="FUNSWARM_HTTP_TOKENS_FILE"):
        build(
            FakeClient(), replace(SETTINGS, tokens_file=file), Figures(), asyncio.Event(), "api-1", proxies=no_proxies()
        )


# Roles.
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/services", Role.READ),
        ("GET", "/metrics", Role.READ),
        ("GET", "/create", Role.OPERATE),
        ("POST", "/create", Role.OPERATE),
        ("POST", "/v1/services", Role.OPERATE),
        ("DELETE", "/v1/services/web", Role.OPERATE),
        ("POST", "/v1/nodes/n/drain", Role.ADMIN),
        ("POST", "/v1/servicesandmore", Role.ADMIN),
        ("POST", "/what/is/new", Role.ADMIN),
        ("GET", "/what/is/new", Role.READ),
        ("GET", "/v1/commands", Role.READ),
        ("GET", "/v1/dead/7", Role.ADMIN),
        ("GET", "/healthz", None),
        ("POST", "/healthz", Role.ADMIN),
    ],
)
def test_the_role_that_a_request_needs(method, path, expected):
    assert expected is role_needed(method, path)


async def test_a_reader_changes_nothing(http, client):
    answer = await http.post("/v1/services/web/scale", json={"replicas": 2}, headers=as_("reader"))
    assert (403, "forbidden", []) == (answer.status_code, answer.json()["code"], client.submitted)
    assert "needs the role operate" in answer.json()["detail"]


async def test_a_reader_does_not_create_by_a_link(http, client):
    assert (403, []) == ((await http.get("/create", headers=as_("reader"))).status_code, client.submitted)


async def test_an_operator_changes_services(http, client):
    await http.post("/v1/services/web/scale", json={"replicas": 2}, headers=as_("operator"))
    assert [("operator", ())] == [(command.requested_by, command.namespaces) for command in client.submitted]


async def test_an_operator_does_not_change_nodes(http, client):
    answer = await http.post("/v1/nodes/n1/drain", headers=as_("operator"))
    assert (403, []) == (answer.status_code, client.submitted)


async def test_an_admin_changes_nodes(http, client):
    await http.post("/v1/nodes/n1/drain", headers=as_("admin"))
    assert ["drain"] == [command.verb for command in client.submitted]


# Namespaces.
async def test_the_scheduler_is_told_the_namespaces(http, client):
    await http.delete("/v1/services/other_web", headers=as_("shop"))
    assert [("shop", ("shop",))] == [(command.requested_by, command.namespaces) for command in client.submitted]


async def test_services_of_others_are_not_listed(http, client):
    client.state["services"] = SERVICES
    answer = await http.get("/v1/services", headers=as_("shop"))
    assert ["shop_web"] == [service["name"] for service in answer.json()["items"]]


async def test_a_service_of_others_is_as_if_it_were_not_there(http, client):
    client.state["services"] = SERVICES
    there, absent = [await http.get(f"/v1/services/{name}", headers=as_("shop")) for name in ("other_web", "other_xyz")]
    assert 404 == there.status_code
    assert absent.json() == {**there.json(), "detail": there.json()["detail"].replace("other_web", "other_xyz")}


async def test_tasks_of_others_are_not_listed(http, client):
    tasks = tuple(a_task(one.name, slot=1, service_id=one.id) for one in SERVICES)
    client.state |= {"services": SERVICES, "tasks": tasks}
    answer = await http.get("/v1/tasks", headers=as_("shop"))
    assert ["shop_web.1"] == [task["name"] for task in answer.json()["items"]]


async def test_a_task_of_others_is_as_if_it_were_not_there(http, client):
    client.state |= {"services": SERVICES, "tasks": (a_task("other_web"),)}
    for name in ("other_web.1", "other_web.2", "other_xyz.1"):
        assert (
            f"there is no task '{name}'" == (await http.get(f"/v1/tasks/{name}", headers=as_("shop"))).json()["detail"]
        )


async def test_health_lists_their_services_only(http, client):
    client.state["services"] = SERVICES
    summaries = tuple(
        ServiceSummary(
            id=one.id, name=one.name, image="nginx", mode="replicated", running=1, desired=1, updated_at="",
            condition=one.condition,
        )
        for one in SERVICES
    )  # fmt: skip
    client.found_health = Health(ok=True, services=summaries)
    answer = await http.get("/health", headers=as_("shop"))
    assert ["shop_web"] == [service["name"] for service in answer.json()["services"]]


async def test_health_lists_the_problems_of_their_services_only(http, client):
    client.state["services"] = SERVICES
    problems = tuple(Problem(source="traefik", service=one.name, reason="why") for one in SERVICES)
    client.found_health = Health(ok=True, problems=problems)
    answer = await http.get("/health", headers=as_("shop"))
    assert ["shop_web"] == [problem["service"] for problem in answer.json()["problems"]]


@pytest.mark.parametrize(
    "path", ["/v1/nodes", "/metrics", "/v1/commands/c1/more", "/v1/services/shop_web/more", "/what/is/new"]
)
async def test_what_concerns_the_whole_swarm_is_not_theirs(http, path):
    answer = await http.get(path, headers=as_("shop"))
    assert 403 == answer.status_code
    assert "bound to the namespaces shop" in answer.json()["detail"]


async def test_results_of_others_are_not_theirs(http, client):
    client.state["services"] = SERVICES
    command = (await http.delete("/v1/services/shop_web", headers=as_("shop"))).json()
    mine = a_result(client.submitted[0], requested_by="shop")
    about_mine = mine.model_copy(update={"requested_by": "operator"})
    client.results = {
        "mine": mine,
        "about": about_mine,
        "theirs": about_mine.model_copy(update={"target": "other_web"}),
    }
    assert command["status"] == "succeeded"
    statuses = [(await http.get(f"/v1/commands/{which}", headers=as_("shop"))).status_code for which in client.results]
    assert [200, 200, 404] == statuses


async def test_a_link_creates_inside(http, client):
    await http.get("/create", headers=as_("shop"))
    assert ["shop_service-1"] == [command.target for command in client.submitted]


def test_openapi_says_that_a_token_is_needed(secured):
    document = secured[1]._app.openapi()
    assert {"type": "http", "scheme": "bearer"} == document["components"]["securitySchemes"]["token"]
    needing = {path for path, item in document["paths"].items() for one in item.values() if "security" in one}
    assert ("/v1/services" in needing, "/healthz" in needing) == (True, False)


@pytest.mark.parametrize(
    ("who", "verb", "status"),
    [("operator", "restart", 200), ("operator", "drain", 403), ("shop", "restart", 200), ("admin", "drain", 200)],
)
async def test_a_batch_needs_what_its_commands_need(http, client, who, verb, status):
    body = {"commands": [{"name": "a", "command": {"verb": verb, "target": "shop_web"}}]}
    answer = await http.post("/v1/batch", json=body, headers=as_(who))
    assert (status, status == 200) == (answer.status_code, bool(client.submitted))
