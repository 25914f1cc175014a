"""Where the api listens, and what is refused before a route is asked: a Host that is not ours, one request too many."""

import asyncio
import os

import pytest

from services.api import guard
from services.api.hosts import is_known, known_hosts
from services.api.serving import health_of
from services.api.settings import ApiSettings
from services.settings import Settings
from tests.unit.api.fakes import NOW, TOKENS, token_lines


@pytest.mark.parametrize(
    "host", ["localhost:8484", "LOCALHOST", "a.localhost:80", "localhost.", "127.0.0.1:8484", "[::1]:8484", "10.0.0.7"]
)
def test_this_machine_and_any_address_are_known(host):
    assert is_known(host, known_hosts("127.0.0.1", ()))


@pytest.mark.parametrize("host", ["evil.test:8484", "localhost.evil.test", "127.0.0.1.evil.test", "[::1", "", "a@b:c"])
def test_on_a_loopback_address_no_other_name_is_known(host):
    assert not is_known(host, known_hosts("127.0.0.1", ()))


@pytest.mark.parametrize("bound_to", ["localhost", "::1", "127.0.0.2", "0.0.0.0"])
def test_a_name_of_the_setting_is_known_besides_localhost_and_no_other(bound_to):
    known = known_hosts(bound_to, ("Swarm.Example",))
    asked = ("swarm.example:8484", "localhost", "evil.test")
    assert [True, True, False] == [is_known(host, known) for host in asked]


def test_where_others_may_come_and_no_name_is_set_any_is_known():
    assert is_known("swarm.example", known_hosts("0.0.0.0", ()))


def test_the_names_come_from_the_settings():
    settings = Settings(http_host="0.0.0.0", http_hosts="a.example, b.example")
    assert frozenset({"a.example", "b.example", "localhost"}) == ApiSettings.of(settings).hosts


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "127.0.0.1"),
        ({"http_tokens_file": "/run/secrets/tokens"}, "0.0.0.0"),
        ({"http_host": "0.0.0.0"}, "0.0.0.0"),
        ({"http_host": "10.0.0.1", "http_tokens_file": "/run/secrets/tokens"}, "10.0.0.1"),
    ],
)
def test_without_tokens_it_listens_on_this_machine_only(settings, expected):
    assert expected == ApiSettings.of(Settings(**settings)).host


@pytest.mark.parametrize("path", ["/create", "/health", "/", "/v1/services"])
async def test_a_page_whose_name_was_bent_to_this_machine_is_refused(app, http, client, monkeypatch, path):
    monkeypatch.setattr(app, "_hosts", known_hosts("127.0.0.1", ()))
    answer = await http.get(path, headers={"Sec-Fetch-Site": "same-origin"})
    assert (403, "unknown-host", []) == (answer.status_code, answer.json()["code"], client.submitted)
    assert "FUNSWARM_HTTP_HOSTS" in answer.json()["detail"]


@pytest.fixture
async def waiting(app, http, stopping, monkeypatch):
    """A client of an api that answers one request at a time, and has one."""
    monkeypatch.setattr(guard, "REQUESTS_MAX", 1)
    first = asyncio.ensure_future(http.get("/v1/events"))
    while not app._open:
        await asyncio.sleep(0)
    yield http
    stopping.set()
    await first


async def test_one_request_too_many_is_503_with_when_to_come_again(waiting):
    answer = await waiting.get("/v1/nodes")
    assert (503, "1", "unavailable") == (answer.status_code, answer.headers["retry-after"], answer.json()["code"])


async def test_who_is_busy_is_alive(waiting):
    assert 200 == (await waiting.get("/healthz")).status_code


def test_a_file_that_cannot_be_used_any_more_is_told_until_it_can(guarded, monkeypatch):
    app, figures, file = guarded.app, guarded.figures, guarded.file
    monkeypatch.setattr("services.files.LOOK_S", 0.0)
    monkeypatch.setattr(app._access._file, "_look_at", 0.0)
    file.write_text("a secret")
    try:
        found = health_of(app, NOW)
        assert (True, True) == (found.ok, "FUNSWARM_HTTP_TOKENS_FILE" in (found.reason or ""))
        assert "secret" not in (found.reason or "")
        assert "funswarm_http_tokens_trouble 1.0" in figures.text()
    finally:
        file.write_text(token_lines(*TOKENS))
        os.utime(file, ns=(2, 2))
    assert (True, None) == ((found := health_of(app, NOW)).ok, found.reason)
    assert "funswarm_http_tokens_trouble 0.0" in figures.text()
