"""Tokens with roles and namespaces, on a whole Funswarm: the api and the scheduler together."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from funswarm.tokens import Role, new_token
from tests.nats.api_scene import lines
from tests.nats.run_scene import PATIENCE_S, Run
from tests.waiting import until

MADE = {
    "admin": new_token("admin", Role.ADMIN),
    "shop": new_token("shop", Role.OPERATE, ["shop"]),
    "reader": new_token("reader", Role.READ),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("".join(made[1].model_dump_json() + "\n" for made in MADE.values()))
    run = Run(tmp_path_factory.mktemp("run"), FUNSWARM_HTTP_TOKENS_FILE=str(tokens))
    try:
        run.wait_for(r"ready: ")
        yield run
    finally:
        run.end()


def as_(run: Run, who: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {MADE[who][0]}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{run.http_port}", headers=headers, timeout=PATIENCE_S)


async def created(http: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await http.post("/v1/services", json={"name": name, "image": "nginx:1"})
    assert 201 == answer.status_code, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def test_a_token_changes_its_own_services_and_no_other_s(running):
    async with as_(running, "admin") as admin, as_(running, "shop") as shop:
        assert "shop" == (await created(shop, "shop_web"))["requested_by"]
        other = await created(admin, "other_web")
        for target in ("other_web", other["service_id"], "absent"):
            refused = await shop.delete(f"/v1/services/{target}")
            assert (403, "forbidden") == (refused.status_code, refused.json()["code"])
        assert 403 == (await shop.post("/v1/services", json={"name": "web", "image": "nginx:1"})).status_code
        assert 200 == (await admin.get("/v1/services/other_web")).status_code
        assert 200 == (await shop.post("/v1/services/shop_web/scale", json={"replicas": 2})).status_code


async def test_a_batch_is_no_way_round(running):
    async with as_(running, "admin") as admin, as_(running, "shop") as shop:
        await created(admin, "other_batch")
        items = [{"name": "a", "command": {"verb": "remove", "target": "other_batch"}}]
        answer = await shop.post("/v1/batch", json={"commands": items})
        assert (False, 200) == (answer.is_success, (await admin.get("/v1/services/other_batch")).status_code)


async def test_the_feed_of_a_token_has_its_own_only(running):
    async with as_(running, "admin") as admin, as_(running, "shop") as shop:
        await created(admin, "other_feed")
        await created(shop, "shop_feed")
        async with lines(shop, "/v1/events?since=0") as events:
            told = [await events.next()]
            while told[-1]["data"].get("name") != "shop_feed":
                told.append(await events.next())
    assert "other" not in json.dumps(told)


async def test_a_token_sees_the_commands_about_its_own_services_and_its_own(running):
    async with as_(running, "admin") as admin, as_(running, "shop") as shop:
        await created(admin, "other_listed")
        await created(admin, "shop_by_others")
        await created(shop, "shop_listed")
        await shop.delete("/v1/services/other_listed")

        async def listed() -> set[tuple[str, str]]:
            records = (await shop.get("/v1/commands?limit=1000")).raise_for_status().json()["items"]
            return {(record["verb"], record["target"]) for record in records}

        expected = {("create", "shop_by_others"), ("create", "shop_listed"), ("remove", "other_listed")}
        await until(lambda: _holds(listed, expected), "the records")
        assert ("create", "other_listed") not in await listed()


async def _holds(listed: Callable[[], Awaitable[set[tuple[str, str]]]], expected: set[tuple[str, str]]) -> bool:
    return expected <= await listed()


async def test_a_reader_only_looks(running):
    async with as_(running, "reader") as reader:
        assert 200 == (await reader.get("/v1/nodes")).status_code
        assert 403 == (await reader.post("/v1/nodes/any/drain")).status_code
        assert 403 == (await reader.get("/v1/dead")).status_code
