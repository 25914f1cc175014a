"""A real Traefik on an overlay network, told by the api of real tasks: no engine's socket, no request that fails."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import docker
import httpx
import pytest
from docker.errors import APIError, NotFound

from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from testbed import engine as host_engine
from testbed import images
from tests.engine.conftest import IMAGE, SECOND_NS, dockerd
from tests.nats.api_scene import serving
from tests.pollers import POLLER
from tests.servers import free_port, nats_server
from tests.waiting import PATIENCE_S, until

GATEWAY = "docker_gwbridge"  # the engine's own network, over which containers on overlays reach this machine
# It goes on serving for a while after it is told to stop: as long as Traefik may take to hear of it on a busy machine.
PAGE = "hostname >/tmp/index.html; trap 'sleep 15; exit' TERM; httpd -f -p 80 -h /tmp & wait"
READY = {  # only what serves counts as running
    "Test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"], "Interval": SECOND_NS,
    "Timeout": 60 * SECOND_NS, "Retries": 100,
}  # fmt: skip


class Scene:
    """A service of two web servers, each with its hostname as its page; and Traefik, which leads to it."""

    def __init__(self, host: str) -> None:
        self.api: Any = docker.APIClient(base_url=host, version="auto", timeout=60)
        self.name = f"traefik-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self._web = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)

    def make(self, document: str) -> None:
        self.api.create_network(self.name, driver="overlay", attachable=True)
        labels = {
            f"traefik.http.routers.{self.name}.rule": "PathPrefix(`/`)",
            f"traefik.http.services.{self.name}.loadbalancer.server.port": "80",
        }
        container = {
            "Image": IMAGE, "Command": ["sh", "-c", PAGE], "Healthcheck": READY, "StopGracePeriod": 60 * SECOND_NS,
        }  # fmt: skip
        template = {"ContainerSpec": container, "Networks": [{"Target": self.name}]}
        update = {"Parallelism": 1, "Delay": SECOND_NS // 2, "Order": "stop-first"}
        self.api.create_service(
            template, name=self.name, labels=labels, mode={"Replicated": {"Replicas": 2}}, update_config=update,
            endpoint_spec={"Mode": "dnsrr"},
        )  # fmt: skip
        command = [
            "--entrypoints.web.address=:80", "--global.checknewversion=false", "--global.sendanonymoususage=false",
            f"--providers.http.endpoint={document}", "--providers.http.pollInterval=250ms",
            "--providers.providersThrottleDuration=100ms",
        ]  # fmt: skip
        ports = self.api.create_host_config(port_bindings={80: ("127.0.0.1", self.port)}, network_mode=self.name)
        self.api.start(
            self.api.create_container(images.TRAEFIK.tag, command, name=self.name, ports=[80], host_config=ports)
        )

    def change(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Write the service anew."""
        service = self.api.inspect_service(self.name)
        change(service["Spec"])
        url = self.api._url("/services/{0}/update", service["ID"])
        answer = self.api._post_json(url, data=service["Spec"], params={"version": service["Version"]["Index"]})
        self.api._raise_for_status(answer)

    def running(self) -> set[str]:
        """The hostnames of the tasks that run and are to run."""
        tasks = self.api.tasks(filters={"service": self.name, "desired-state": "running"})
        states = [task["Status"] for task in tasks if task["Status"]["State"] == "running"]
        return {one["ContainerStatus"]["ContainerID"][:12] for one in states}

    async def ask(self) -> tuple[int, str]:
        try:
            answer = await self._web.get("/")
        except httpx.TransportError as error:
            return 0, repr(error)
        return answer.status_code, answer.text.strip()

    async def reaches_all(self) -> bool:
        """Whether just those that run are reached."""
        answers = [await self.ask() for _ in range(8)]
        running = await asyncio.to_thread(self.running)
        return len(running) == 2 and {(200, name) for name in running} == set(answers)

    def clean(self) -> None:
        with suppress(NotFound):
            self.api.remove_container(self.name, force=True)
        with suppress(NotFound):
            self.api.remove_service(self.name)

    async def _without_network(self) -> bool:
        try:
            await asyncio.to_thread(self.api.remove_network, self.name)
        except NotFound:
            return True
        except APIError:  # Swarm still knows of a task on it
            return False
        return True

    async def close(self) -> None:
        """The network is in use until the tasks are gone."""
        await asyncio.to_thread(self.clean)
        label = {"label": f"com.docker.swarm.service.name={self.name}"}
        await until(lambda: not self.api.containers(filters=label), "the tasks to go", every_s=0.2)
        await until(self._without_network, "the network to go", every_s=0.2)
        await self._web.aclose()
        self.api.close()


@pytest.fixture
def real_engine() -> Iterator[str]:
    with dockerd() as host:
        images.ensure(host_engine.start(), (images.TRAEFIK,))
        yield host


@pytest.fixture
async def scene(real_engine: str, tmp_path) -> AsyncIterator[Scene]:
    made, stop = Scene(real_engine), asyncio.Event()
    gateway = made.api.inspect_network(GATEWAY)["IPAM"]["Config"][0]["Gateway"]
    with nats_server(tmp_path) as nats:
        poller = asyncio.create_task(
            run_poller(NatsSettings(url=nats.url), EngineSettings(host=real_engine), POLLER, stop)
        )
        try:
            async with serving(nats.url, host=gateway) as http:
                await asyncio.to_thread(made.make, f"{http.base_url}/v1/traefik")
                await until(made.reaches_all, "both tasks", every_s=0.2)
                yield made
        finally:
            try:
                await made.close()
            finally:
                stop.set()
                await poller


async def asking(ask: Callable[[], Awaitable[tuple[int, str]]], answers: Counter[int]) -> None:
    while True:
        status, _ = await ask()
        answers[status] += 1
        await asyncio.sleep(0.01)


async def test_a_rolling_update_fails_no_request(scene: Scene):
    before, answers = await asyncio.to_thread(scene.running), Counter[int]()
    loads = [asyncio.create_task(asking(scene.ask, answers)) for _ in range(3)]
    await asyncio.to_thread(scene.change, lambda spec: spec["TaskTemplate"].update(ForceUpdate=1))

    async def replaced() -> bool:
        return not before & await asyncio.to_thread(scene.running) and await scene.reaches_all()

    await until(replaced, "the update", every_s=0.2)
    for load in loads:
        load.cancel()
    await asyncio.wait(loads)
    assert {200} == answers.keys()


async def test_scaled_to_nothing_it_answers_503(scene: Scene):
    await asyncio.to_thread(scene.change, lambda spec: spec["Mode"]["Replicated"].update(Replicas=0))

    async def without_tasks() -> bool:
        return (await scene.ask())[0] == 503

    await until(without_tasks, "a 503", every_s=0.1)
