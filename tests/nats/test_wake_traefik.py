"""Waking through a real Traefik with its own middlewares: what docs/wake.md says of proxies without a plugin."""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from funswarm.client import Client
from tests.builders import a_node
from tests.nats.api_scene import serving
from tests.nats.client_scene import publish_both
from tests.nats.test_traefik import Scene
from tests.traefik import traefik
from tests.waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "wake.md"


def own_settings(api: str) -> str:
    """The file that the page has Traefik read, for this api."""
    found = re.search(r"^```yaml\n(http:\n.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].replace("http://api:8484", api)


@pytest.fixture
async def scene(bus, shared_nats, prefix, tmp_path):
    await publish_both(bus, None, a_node(), "created")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(serving(shared_nats.url, prefix))
        api = str(http.base_url).rstrip("/")
        file = tmp_path / "wake.yml"
        file.write_text(own_settings(api))
        proxy = await stack.enter_async_context(
            traefik(f"{api}/v1/traefik", tmp_path, f"--providers.file.filename={file}")
        )
        yield Scene(bus, http, proxy, stack)


async def test_who_comes_while_it_sleeps_sees_the_page_and_wakes_it(scene, shared_nats, prefix):
    labels = {
        "funswarm.wake.enable": "true",
        "funswarm.wake.group": "site",
        "traefik.http.routers.site.middlewares": "wake-site@file",
    }
    service = await scene.serve("site", labels, replicas=0)
    answer = await scene.proxy.answers("site.test", 503)
    await until(lambda: _is_page(scene), "the page")
    assert 503 == answer.status_code
    async with Client(shared_nats.url, prefix=prefix) as client:
        assert await client.session("site") is not None
    awake = await scene.change(service, replicas=1)
    await scene.run(awake.name)
    assert "site.1" == (await scene.proxy.answers("site.test", 200)).text


async def _is_page(scene: Scene) -> bool:
    answer = await scene.proxy.get("site.test")
    return "site is starting" in answer.text and answer.headers["content-type"].startswith("text/html")
