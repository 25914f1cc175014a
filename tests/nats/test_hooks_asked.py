"""Webhooks over HTTP and on the command line, with a real notifier behind."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from funswarm.cli.app import app
from tests.nats.api_scene import serving
from tests.nats.hook_scene import PATIENCE_S, QUICK, client_of, got, happens, notifier, receiver
from tests.waiting import until


@pytest.fixture
async def client(bus):
    async with notifier(bus), client_of(bus) as client:
        yield client


@pytest.fixture
async def api(bus):
    """Before the notifier: it is built in the same loop, which may take longer than a lease is kept."""
    async with serving(bus.settings.url, bus.settings.prefix) as http:
        yield http


@pytest.fixture
async def http(api, client):
    """With an active notifier behind."""
    return api


@pytest.fixture
def cli(bus, client, tmp_path):
    """A function: words in, a finished command out."""

    async def run(*words, **hook):
        if hook:
            (tmp_path / "hook.json").write_text(json.dumps(hook))
            words = (*words, "-f", str(tmp_path / "hook.json"))
        at = ["--url", bus.settings.url, "--prefix", bus.settings.prefix]
        return await asyncio.to_thread(CliRunner().invoke, app, [*at, *words])

    return run


async def test_a_webhook_is_put_shown_paused_resumed_and_removed_over_http(bus, http):
    async with receiver() as to:
        put = await http.put("/v1/hooks/alerts", json={"url": to.url, "headers": {"Authorization": "Bearer x"}})
        assert (200, "put", "ok") == (put.status_code, put.json()["source"], put.json()["state"])
        wanted = await happens(bus)
        assert [wanted] == await got(to, 1)
        assert "Bearer" not in (await http.get("/v1/hooks")).text + (await http.get("/v1/hooks/alerts")).text
        assert "paused" == (await http.post("/v1/hooks/alerts/pause", json={})).json()["state"]
        assert "ok" == (await http.post("/v1/hooks/alerts/resume", json={})).json()["state"]
        assert (await http.post("/v1/hooks/alerts/test", json={})).json()["ok"]
        assert 204 == (await http.delete("/v1/hooks/alerts")).status_code
        assert 404 == (await http.get("/v1/hooks/alerts")).status_code


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"url": "http://me:secret@x/"}, "no user and password"),
        ({"url": "http://x/", "kind": ["service"]}, "unknown field"),
        ({"url": "http://x/", "secret": "***"}, "there is none"),
        ({}, "url"),
    ],
)
async def test_what_cannot_be_meant_is_400_with_the_reason(http, body, words):
    answer = await http.put("/v1/hooks/alerts", json=body)
    assert 400 == answer.status_code
    assert words in answer.text


async def test_without_a_notifier_it_is_503_with_the_way_out(bus):
    async with serving(bus.settings.url, bus.settings.prefix) as http:
        answer = await http.get("/v1/hooks")
    assert 503 == answer.status_code
    assert "start one" in answer.json()["detail"]


async def test_a_dead_letter_of_a_webhook_is_replayed_over_http(bus, http, client):
    async with receiver(say=lambda _: (422, "")) as to:
        await http.put("/v1/hooks/alerts", json={"url": to.url, "retry": QUICK})
        await happens(bus)

        async def letters():
            return (await client.dead_letters()).items

        sequence = (await until(letters, "a dead letter", PATIENCE_S))[0].sequence
        refused = await http.post(f"/v1/dead/{sequence}/replay", json={})
        assert (409, "refused-by-receiver") == (refused.status_code, refused.json()["code"])
        to.say = lambda _: (204, "")
        assert (await http.post(f"/v1/dead/{sequence}/replay", json={})).json()["ok"]
        assert 404 == (await http.get(f"/v1/dead/{sequence}")).status_code


async def test_a_webhook_is_put_listed_tried_and_removed_on_the_command_line(cli):
    async with receiver() as to:
        assert "alerts" in (await cli("hooks", "put", name="alerts", url=to.url)).stdout
        assert to.url in (await cli("hooks", "list")).stdout
        assert "alerts: delivered: 204" in (await cli("hooks", "test", "alerts")).stdout
        assert "paused" in (await cli("hooks", "pause", "alerts")).stdout
        assert "ok" in (await cli("hooks", "resume", "alerts")).stdout
        assert 0 == (await cli("hooks", "rm", "alerts")).exit_code
        assert 1 == (await cli("hooks", "show", "alerts")).exit_code


async def test_what_is_shown_can_be_put_again_with_its_secrets(bus, cli):
    async with receiver() as to:
        await cli("hooks", "put", name="alerts", url=to.url, headers={"X-Key": "one"})
        shown = json.loads((await cli("hooks", "show", "alerts")).stdout)
        assert {"X-Key": "***"} == shown["headers"]
        assert 0 == (await cli("hooks", "put", **shown)).exit_code
        await happens(bus)
        await got(to, 1)
        assert "one" == to.got[0].headers["x-key"]


async def test_a_dead_letter_of_a_webhook_is_replayed_on_the_command_line(bus, client, cli):
    async with receiver(say=lambda _: (422, "")) as to:
        await cli("hooks", "put", name="alerts", url=to.url)
        wanted = await happens(bus)

        async def letters():
            return (await client.dead_letters()).items

        sequence = (await until(letters, "a dead letter", PATIENCE_S))[0].sequence
        assert "not delivered: it answers 422" in (await cli("dead", "replay", str(sequence))).stdout
        to.say = lambda _: (204, "")
        assert "alerts: delivered: 204" in (await cli("dead", "replay", str(sequence))).stdout
        assert [wanted] == [one.id for one in to.taken]


async def test_a_wrong_description_is_a_usage_error(cli):
    found = await cli("hooks", "put", name="alerts", adress="http://x/")
    assert 2 == found.exit_code
    assert "unknown field" in found.stderr


async def test_an_address_that_cannot_be_is_refused(http):
    answer = await http.put("/v1/hooks/alerts", json={"url": "http://xn--.example/"})

    assert 400 == answer.status_code
    assert "this is no address" in answer.json()["detail"]
