"""A real HAProxy that follows real services: Docker's tasks, the poller, the notifier as a process, and requests."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from funswarm.errors import VersionConflict
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from tests.engine.conftest import IMAGE, dockerd
from tests.flow_proxy import BASE, FlowProxy, flow_proxy
from tests.pollers import POLLER
from tests.receiver import Receiver
from tests.servers import free_port, nats_server
from tests.waiting import until

HTTPD = ["sh", "-c", 'mkdir -p /www && echo "$TEXT" > /www/index.html && exec httpd -f -p 80 -h /www']


class Scene:
    """`name`: what all names of this test begin with; `proxy`: HAProxy, and `told` where it hears of services."""

    def __init__(self, engine: Engine, proxy: FlowProxy, told: Receiver) -> None:
        self.engine, self.proxy, self.told = engine, proxy, told
        self.name = f"flow-{uuid.uuid4().hex[:8]}"
        self.label = f"com.df.notify.{self.name}"  # the engine may have services of others
        self._made: list[str] = []

    async def serve(self, text: str, **df: str) -> str:
        """A service that says `text` on a port of this machine; its id."""
        port = free_port()
        labels = {self.label: "true"} | {f"com.df.{name}": value for name, value in ({"port": str(port)} | df).items()}
        container = {"Image": IMAGE, "Command": HTTPD, "Env": [f"TEXT={text}"], "StopGracePeriod": 10**9}
        published = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": port, "PublishMode": "host"}
        spec = {
            "Name": f"{self.name}-{len(self._made)}", "Labels": labels, "TaskTemplate": {"ContainerSpec": container},
            "Mode": {"Replicated": {"Replicas": 1}}, "EndpointSpec": {"Mode": "dnsrr", "Ports": [published]},
        }  # fmt: skip
        service_id, _ = await self.engine.create_service(spec)
        self._made.append(service_id)
        return service_id

    async def relabel(self, service_id: str, **df: str) -> None:
        async def written() -> bool:
            raw = await self.engine.service_json(service_id)
            assert raw is not None
            labels = raw["Spec"]["Labels"] | {f"com.df.{name}": value for name, value in df.items()}
            with suppress(VersionConflict):  # Swarm writes to it, too
                await self.engine.update_service(service_id, raw["Version"]["Index"], raw["Spec"] | {"Labels": labels})
                return True
            return False

        await until(written, f"new labels of {service_id}")

    async def remove(self, service_id: str) -> None:
        self._made.remove(service_id)
        await self.engine.remove_service(service_id)

    async def says(self, path: str, expected: str | None) -> None:
        """Waits until HAProxy has this at the path; None: it has nothing there."""

        async def now() -> bool:
            with suppress(httpx.HTTPError):
                async with httpx.AsyncClient(timeout=60) as http:
                    answer = await http.get(f"{self.proxy.url}{path}")
                    return answer.status_code == 503 if expected is None else answer.text.strip() == expected
            return False

        await until(now, f"{expected!r} at {path}", every_s=0.1)

    async def clean(self) -> None:
        for service_id in self._made:
            await self.engine.remove_service(service_id)


@pytest.fixture
def real_engine() -> Iterator[str]:
    with dockerd() as host:
        yield host


@contextmanager
def proxy_and_nats(folder: Any) -> Iterator[tuple[FlowProxy, Receiver, str]]:
    with flow_proxy(folder) as (proxy, told), nats_server(folder) as nats:
        yield proxy, told, nats.url


@pytest.fixture
async def scene(real_engine: str, tmp_path) -> AsyncIterator[Scene]:
    settings = EngineSettings(host=real_engine)
    stop = asyncio.Event()
    with proxy_and_nats(tmp_path) as (proxy, told, nats_url):
        poller = asyncio.create_task(run_poller(NatsSettings(url=nats_url), settings, POLLER, stop))
        engine = await Engine.connect(settings)
        made = Scene(engine, proxy, told)
        environ = {
            "FUNSWARM_NATS_URL": nats_url,
            "FUNSWARM_DOCKER_FLOW_PORT": str(free_port()),
            "DF_NOTIFY_LABEL": made.label,
            "DF_NOTIFY_CREATE_SERVICE_URL": f"{told.url}{BASE}/reconfigure",
            "DF_NOTIFY_REMOVE_SERVICE_URL": f"{told.url}{BASE}/remove",
        }
        notifier = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notifier", env={**os.environ, **environ}
        )
        try:
            yield made
        finally:
            await made.clean()
            await engine.close()
            stop.set()
            with suppress(ProcessLookupError):
                notifier.kill()
            await asyncio.gather(notifier.wait(), poller)


async def test_haproxy_follows_the_services(scene: Scene):
    one = await scene.serve("one", servicePath="/one")
    await scene.says("/one/", "one")
    await scene.serve("two", servicePath="/two")
    await scene.says("/two/", "two")
    await scene.relabel(one, servicePath="/uno")
    await scene.says("/uno/", "one")
    await scene.says("/one/", None)
    await scene.remove(one)
    await scene.says("/uno/", None)
    await scene.says("/two/", "two")


async def test_a_service_without_a_route_is_told_once(scene: Scene):
    await scene.serve("nothing")
    await scene.serve("two", servicePath="/two")
    await scene.says("/two/", "two")
    asked = [asked.parameters["serviceName"] for asked in scene.told.asked]
    assert [f"{scene.name}-0", f"{scene.name}-1"] == sorted(asked)
