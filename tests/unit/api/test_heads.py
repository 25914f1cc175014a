"""HEAD: what GET says, without the body."""

import asyncio

import pytest

from tests.builders import a_service


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200), ("/healthz", 200), ("/docs", 200), ("/openapi.json", 200), ("/v1/services", 200),
        ("/v1/services/web", 200), ("/v1/services/none", 404), ("/v1/nodes", 200), ("/v1/commands/none", 404),
        ("/v1/tasks?none=1", 400), ("/none", 404),
    ],
)  # fmt: skip
async def test_the_answer_is_that_of_get_without_the_body(http, client, path, status):
    client.state["services"] = (a_service("web"),)
    head, get = await http.head(path), await http.get(path)
    assert (status, status, b"") == (head.status_code, get.status_code, head.content)
    assert get.headers == head.headers


async def test_of_a_stream_there_is_the_beginning(http):
    async with asyncio.timeout(60):
        head = await http.head("/v1/events")
    assert (200, "text/event-stream", b"") == (
        head.status_code, head.headers["content-type"].partition(";")[0], head.content,
    )  # fmt: skip


STRATEGIES = [f"/api/strategies/{name}?names=web" for name in ("dynamic", "blocking", "poke")]


@pytest.mark.parametrize("path", ["/create", *STRATEGIES])
async def test_what_acts_by_get_has_no_head_and_says_so(http, client, path):
    head = await http.head(path)
    assert (405, False, []) == (head.status_code, "HEAD" in head.headers["allow"], client.submitted)


async def test_what_has_no_get_has_no_head(http):
    assert 405 == (await http.head("/v1/services/web/scale")).status_code


async def test_a_fault_on_the_way_is_told(http, client, monkeypatch):
    async def broken():
        raise RuntimeError("a test")

    monkeypatch.setattr(client, "nodes", broken)
    assert (500, "internal") == (
        (await http.head("/v1/nodes")).status_code, (await http.get("/v1/nodes")).json()["code"],
    )  # fmt: skip
