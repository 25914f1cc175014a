"""Sablier's HTTP contract: what each strategy is asked, opens, and answers."""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import Depends, FastAPI

from funswarm.errors import Unavailable
from funswarm.sessions import Session
from services.api.access import Access
from services.api.figures import Figures
from services.api.guard import Guard
from services.api.parameters import refusing_unknown
from services.api.wake import routes
from services.api.wake.page import THEMES
from tests.unit.api.pages import Page
from tests.unit.api.traefik.worlds import a_service, a_task, a_world
from tests.waiting import until

ON = {"sablier.enable": "true"}
STATUS = "X-Sablier-Session-Status"
OLD = "2026-11-01T08:00:00.123456789Z"


class Swarm:
    """What is followed, and the sessions that were opened, with what they were asked for."""

    def __init__(self):
        self.opened = []
        self.refusal = None
        self.connected = True
        self.shows(a_service("web", ON, replicas=0), tasks=())

    def shows(self, *services, tasks=None, revision=1):
        if tasks is None:
            tasks = [a_task(service.name, since=OLD) for service in services]
        self.now = a_world(*services, tasks=tasks, revision=revision)

    async def world(self):
        return self.now

    async def after(self, revision, timeout_s=None):
        await asyncio.sleep(0.01)
        if self.now.revision <= revision:
            raise TimeoutError
        return self.now

    async def wake(self, service, lasts_s):
        if self.refusal is not None:
            raise self.refusal
        self.opened.append((service, lasts_s))
        now = datetime.now(UTC)
        return Session(service=service, since=now, until=now + timedelta(seconds=1.25 * lasts_s))


@pytest.fixture
def swarm():
    return Swarm()


@pytest.fixture
def stopping():
    return asyncio.Event()


@pytest.fixture
async def http(swarm, stopping):
    app = FastAPI()
    for router in (routes.strategies(swarm, swarm, stopping), routes.themes()):
        app.include_router(router, dependencies=[Depends(refusing_unknown(app))])
    transport = httpx.ASGITransport(Guard(app, Figures(), Access(None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://api:8484/api/strategies") as client:
        yield client


def ready(swarm, *names, revision=1):
    swarm.shows(*(a_service(name, ON) for name in names), revision=revision)


# What is wrong.
@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "give names or group"),
        ("names=web&group=default", 400, "and not both"),
        ("names=web&session_duration=soon", 400, "no duration"),
        ("names=web&session_duration=1000h", 400, "less than or equal to"),
        ("names=web&timeout=1h", 400, "less than or equal to"),
        ("names=web&refresh_frequency=-5s", 400, "no duration"),
        ("names=web&show_details=maybe", 400, "neither true nor false"),
        ("&".join(f"names=s{number}" for number in range(51)), 400, "at most 50"),
        ("name=web", 400, "did you mean"),
        ("group=games", 404, "no service says that it belongs"),
        ("names=db", 404, "has opted in"),
    ],
)
async def test_what_is_wrong_is_a_problem_and_wakes_nothing(http, swarm, query, status, words):
    for strategy in ("dynamic", "blocking", "poke"):
        answer = await http.get(f"/{strategy}?{query}")
        kind, is_ready = answer.headers["content-type"], answer.headers[STATUS]
        assert (status, "application/problem+json", "not-ready") == (answer.status_code, kind, is_ready)
        assert words in answer.json()["detail"]
    assert [] == swarm.opened


async def test_an_unknown_group_is_told_with_those_that_there_are(http, swarm):
    swarm.shows(a_service("a", ON | {"sablier.group": "x,y"}), a_service("b", ON))
    told = (await http.get("/poke?group=games")).json()
    assert (["default", "x", "y"], "games") == (told["availableGroups"], told["requestGroup"])


async def test_an_unknown_theme_is_404_before_anything_is_woken(http, swarm):
    answer = await http.get("/dynamic?names=web&theme=neon")
    assert (404, list(THEMES), []) == (answer.status_code, answer.json()["availableTheme"], swarm.opened)


async def test_a_service_that_has_not_opted_in_is_not_woken(http, swarm):
    swarm.shows(a_service("web", {}))
    assert (404, []) == ((await http.get("/poke?names=web")).status_code, swarm.opened)


async def test_without_nats_it_is_not_ready(http, swarm):
    swarm.refusal = Unavailable("NATS is away")
    answer = await http.get("/poke?names=web")
    assert (503, "not-ready") == (answer.status_code, answer.headers[STATUS])


async def test_without_nats_what_runs_is_served_and_what_sleeps_is_not_waited_for(http, swarm):
    swarm.connected = False
    assert 503 == (await http.get("/blocking?names=web")).status_code
    ready(swarm, "web", revision=2)
    answer = await http.get("/blocking?names=web")
    assert (200, "ready", []) == (answer.status_code, answer.headers[STATUS], swarm.opened)


# Sessions.
@pytest.mark.parametrize("strategy", ["dynamic", "poke"])
async def test_a_request_opens_a_session(http, swarm, strategy):
    answer = await http.get(f"/{strategy}?names=web&session_duration=1m30s")
    assert (200, "not-ready", [("web", 90.0)]) == (answer.status_code, answer.headers[STATUS], swarm.opened)


async def test_it_lasts_five_minutes_where_nothing_is_said(http, swarm):
    await http.get("/poke?names=web&session_duration=")
    assert [("web", 300.0)] == swarm.opened


async def test_requests_that_follow_shortly_write_nothing(http, swarm):
    await asyncio.gather(*(http.get("/poke?names=web") for _ in range(20)))
    assert [("web", 300.0)] == swarm.opened


async def test_a_longer_session_is_written(http, swarm):
    for lasts in ("1m", "1h", "1m"):
        await http.get(f"/poke?names=web&session_duration={lasts}")
    assert [("web", 60.0), ("web", 3600.0)] == swarm.opened


async def test_a_group_wakes_all_of_its_services(http, swarm):
    swarm.shows(a_service("b", ON | {"sablier.group": "shop"}), a_service("a", ON | {"sablier.group": "x, shop"}))
    await http.get("/poke?group=shop")
    assert {"a", "b"} == {name for name, _ in swarm.opened}


# Ready.
@pytest.mark.parametrize("strategy", ["dynamic", "blocking", "poke"])
async def test_it_is_ready_when_its_tasks_run(http, swarm, strategy):
    ready(swarm, "web")
    answer = await http.get(f"/{strategy}?names=web")
    assert (200, "ready") == (answer.status_code, answer.headers[STATUS])


async def test_all_of_its_active_replicas_are_waited_for(http, swarm):
    swarm.shows(a_service("web", ON | {"sablier.active.replicas": "2"}, replicas=2), tasks=[a_task("web", since=OLD)])
    told = await http.get("/poke?names=web")
    instance = told.json()["session"]["instances"]["web"]["instance"]
    assert ("not-ready", 1, 2) == (told.headers[STATUS], instance["currentReplicas"], instance["desiredReplicas"])
    assert "1 of 2 tasks run" == instance["message"]


async def test_once_it_was_ready_one_task_is_enough(http, swarm):
    service = a_service("web", ON | {"sablier.active.replicas": "2"}, replicas=2)
    swarm.shows(service, tasks=[a_task("web", slot, since=OLD) for slot in (1, 2)])
    await http.get("/poke?names=web")
    swarm.shows(service, tasks=[a_task("web", since=OLD)], revision=2)
    assert "ready" == (await http.get("/poke?names=web")).headers[STATUS]
    swarm.shows(service, tasks=[], revision=3)
    assert "not-ready" == (await http.get("/poke?names=web")).headers[STATUS]


async def test_it_has_its_time_to_settle(http, swarm):
    service = a_service("web", ON | {"sablier.ready-after": "1h"})
    just_now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    swarm.shows(service, tasks=[a_task("web", since=just_now)])
    assert "not-ready" == (await http.get("/poke?names=web")).headers[STATUS]
    swarm.shows(service, tasks=[a_task("web", since=OLD)], revision=2)
    assert "ready" == (await http.get("/poke?names=web")).headers[STATUS]


async def test_who_is_ready_on_start_is_not_waited_for(http, swarm):
    swarm.shows(a_service("web", ON | {"sablier.ready-on-start": "true"}), tasks=[])
    assert "ready" == (await http.get("/poke?names=web")).headers[STATUS]


async def test_what_is_optional_is_woken_and_not_waited_for(http, swarm):
    swarm.shows(a_service("web", ON), a_service("log", ON, replicas=0), tasks=[a_task("web", since=OLD)])
    told = await http.get("/blocking?names=web&names=optional:log&names=optional:gone")
    instances = told.json()["session"]["instances"]
    assert ("ready", ["gone", "log", "web"]) == (
        told.headers[STATUS], [one["instance"]["name"] for one in instances],
    )  # fmt: skip
    assert [True, True, False] == [one.get("optional", False) for one in instances]
    assert {"web", "log"} == {name for name, _ in swarm.opened}


# The shapes.
async def test_blocking_tells_a_list_by_name(http, swarm):
    ready(swarm, "web", "api")
    told = (await http.get("/blocking?names=web&names=api")).json()["session"]
    assert ("ready", ["api", "web"]) == (told["status"], [one["instance"]["name"] for one in told["instances"]])
    assert {
        "name": "web", "currentReplicas": 1, "desiredReplicas": 1, "status": "ready", "provider": "swarm",
        "enabled": "true", "groups": ["default"],
    } == told["instances"][1]["instance"]  # fmt: skip


async def test_poke_tells_a_map_by_name(http):
    told = (await http.get("/poke?names=web")).json()["session"]
    assert ("not-ready", ["web"]) == (told["status"], list(told["instances"]))
    assert "starting" == told["instances"]["web"]["instance"]["status"]


async def test_what_is_late_is_a_504_with_the_reasons(http):
    answer = await http.get("/blocking?names=web&timeout=50ms")
    assert (504, "not-ready") == (answer.status_code, answer.headers[STATUS])
    assert {"web": "it is being started"} == answer.json()["instances"]


async def test_blocking_answers_as_soon_as_it_is_ready(http, swarm):
    asking = asyncio.create_task(http.get("/blocking?names=web&timeout=1m"))
    await until(lambda: swarm.opened, "the session")
    ready(swarm, "web", revision=2)
    answer = await asyncio.wait_for(asking, 60)
    assert (200, "ready") == (answer.status_code, answer.headers[STATUS])


async def test_who_waits_keeps_the_session_open(http, swarm):
    asking = asyncio.create_task(http.get("/blocking?names=web&timeout=1m&session_duration=1s"))
    await until(lambda: len(swarm.opened) > 1, "the session, made longer")
    ready(swarm, "web", revision=2)
    assert 200 == (await asyncio.wait_for(asking, 60)).status_code


async def test_too_many_that_wait_are_turned_away(http, monkeypatch):
    monkeypatch.setattr(routes, "BLOCKED_MAX", 0)
    answer = await http.get("/blocking?names=web")
    assert (503, "not-ready") == (answer.status_code, answer.headers[STATUS])


async def test_nobody_is_kept_waiting_by_a_server_that_stops(http, stopping):
    stopping.set()
    assert 503 == (await http.get("/blocking?names=web&timeout=5m")).status_code


@pytest.mark.parametrize("path", ["themes", "dynamic/themes"])
async def test_themes_are_listed(http, path):
    assert {"themes": list(THEMES)} == (await http.get(f"http://api:8484/api/{path}")).json()


# The page.
async def page(http, query="names=web"):
    answer = await http.get(f"/dynamic?{query}")
    assert "text/html; charset=utf-8" == answer.headers["content-type"]
    return answer, Page(answer.text)


async def test_the_page_asks_again_by_itself(http):
    _, shown = await page(http, "names=web&refresh_frequency=2500ms")
    assert "3" == shown.meta("refresh")


async def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(http):
    answer, shown = await page(http)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in shown.tags}
    assert [] == [one for _, one in shown.tags if {"src", "href", "style"} & one.keys()]
    assert "url(" not in answer.text


async def test_its_style_is_all_that_its_policy_allows(http):
    answer, shown = await page(http)
    policy = answer.headers["content-security-policy"]
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(shown.meta("Content-Security-Policy"))
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy


async def test_it_has_a_language_a_title_and_one_heading(http):
    _, shown = await page(http, "names=web&display_name=Shop")
    tags = [tag for tag, _ in shown.tags]
    assert ("en", 1, {}) == (dict(shown.tags)["html"]["lang"], tags.count("h1"), dict(shown.tags)["h1"])
    assert 2 == shown.words.count("Shop is starting")


async def test_details_are_shown_unless_they_are_not_wanted(http):
    assert "it is being started" in (await page(http))[1].words
    assert "it is being started" not in (await page(http, "names=web&show_details=false"))[1].words


async def test_what_is_shown_is_escaped(http):
    answer, shown = await page(http, "names=web&names=optional:%3Cb%3Ex&display_name=%3Cscript%3Ealert(1)%3C/script%3E")
    assert {"<script>alert(1)</script> is starting", "<b>x"} <= set(shown.words)
    assert "<script>" not in answer.text
