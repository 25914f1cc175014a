"""What a proxy's feed costs: the time of one document of a big Swarm, and calls of the engine's API. I/O."""

import asyncio
import contextlib
import os
import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.types import ContainerSpec, ServiceMode, TaskTemplate

from bench import watch_ground
from bench.plain_http import PlainHttp
from bench.proxy_ground import NAME
from bench.running import free_port, funswarm
from bench.watch_load import STOP_NS, client
from testbed.images import BUSYBOX
from testbed.shell import wait_for

_REQUEST = re.compile(rb"(?:^|\n)(?:GET|HEAD|POST|PUT|DELETE) \S+ HTTP/1\.1\r\n")
MANY_THREADS = 8


@dataclass(frozen=True, slots=True)
class Served:
    """Medians of the time of a document, in milliseconds; and its size, in bytes."""

    unchanged_ms: float
    changed_ms: float
    size_bytes: int


def documents(folder: Path, services: int, tasks_each: int, rounds: int) -> Served:
    """GET /v1/traefik of a simulated Swarm: while nothing changes, and right after each of `rounds` changes."""
    with (
        watch_ground.simulator(folder, 50, 0, 1) as (host, _),
        watch_ground.nats(folder) as url,
        watch_ground.poller(host, url, folder),
        _api(folder, url) as http_url,
    ):
        engine = client(host)
        network = engine.create_network(NAME, driver="overlay")["Id"]
        create(engine, services, tasks_each, network)
        with PlainHttp(http_url) as http:
            wait_for(lambda: _servers(http) == services * tasks_each, "all tasks in the document", 300, 1)
            body = http.get("/v1/traefik")[1]
            unchanged = [_timed(http) for _ in range(rounds * 10)]
            changed = []
            for number in range(rounds):
                before = http.get("/v1/traefik")[1]
                _relabel(engine, f"{NAME}-{number}", f"/other-{number}")
                while True:
                    took_ms, now = _timed_body(http)
                    if now != before:
                        changed.append(took_ms)
                        break
    return Served(statistics.median(unchanged), statistics.median(changed), len(body))


@contextlib.contextmanager
def _api(folder: Path, nats_url: str) -> Iterator[str]:
    port = free_port()
    env = {**os.environ, "FUNSWARM_NATS_URL": nats_url, "FUNSWARM_HTTP_PORT": str(port)}
    with watch_ground.started((sys.executable, "-m", "services.api"), env, folder / "api.log"):

        def listens() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            return False

        wait_for(listens, "the api", 60, 0.1)
        yield f"http://127.0.0.1:{port}"


def create(engine: docker.APIClient, services: int, tasks_each: int, network: str | None = None) -> None:
    """Services that ask Traefik to lead to them."""
    container = ContainerSpec(BUSYBOX.tag, command=["sleep", "3600"], stop_grace_period=STOP_NS)
    template = TaskTemplate(container, networks=[network] if network else None)

    def make(number: int) -> None:
        name = f"{NAME}-{number}"
        labels = {
            "traefik.enable": "true",
            f"traefik.http.routers.{name}.rule": f"PathPrefix(`/{name}`)",
            f"traefik.http.services.{name}.loadbalancer.server.port": "80",
        }
        engine.create_service(template, name=name, labels=labels, mode=ServiceMode("replicated", tasks_each))

    with ThreadPoolExecutor(MANY_THREADS) as threads:
        list(threads.map(make, range(services)))


def remove(engine: docker.APIClient) -> None:
    """Remove those services, and wait until their containers are gone."""
    for service in engine.services(filters={"name": f"{NAME}-"}):
        engine.remove_service(service["ID"])
    wait_for(lambda: not _containers(engine), "the containers to go", 300, 1)


def _containers(engine: docker.APIClient) -> list[object]:
    names = (one["Labels"].get("com.docker.swarm.service.name", "") for one in engine.containers())
    return [name for name in names if name.startswith(f"{NAME}-")]


def _relabel(engine: docker.APIClient, name: str, prefix: str) -> None:
    service = engine.inspect_service(name)
    labels = service["Spec"]["Labels"] | {f"traefik.http.routers.{name}.rule": f"PathPrefix(`{prefix}`)"}
    engine.update_service(service["ID"], service["Version"]["Index"], labels=labels, fetch_current_spec=True)


def _servers(http: PlainHttp) -> int:
    return http.get("/v1/traefik")[1].count(b'"url":')


def _timed(http: PlainHttp) -> float:
    return _timed_body(http)[0]


def _timed_body(http: PlainHttp) -> tuple[float, bytes]:
    begun = time.perf_counter()
    status, body = http.get("/v1/traefik")
    took_ms = (time.perf_counter() - begun) * 1e3
    assert status == 200, body
    return took_ms, body


class Counting:
    """A socket before the engine's that counts requests. `host`: its DOCKER_HOST."""

    def __init__(self, path: Path, engine: str) -> None:
        self.host = f"unix://{path}"
        self.count = 0
        self._path = path
        self._engine = engine.removeprefix("unix://")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.start_unix_server(self._serve, path), self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_engine, to_engine = await asyncio.open_unix_connection(self._engine)
        await asyncio.gather(
            self._pass_on(reader, to_engine, counted=True), self._pass_on(from_engine, writer, counted=False)
        )

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(65536):
                self.count += len(_REQUEST.findall(part)) if counted else 0
                target.write(part)
                await target.drain()
        target.close()

    def a_minute(self, window_s: float) -> float:
        """Calls in a minute, counted for that long."""
        before = self.count
        time.sleep(window_s)
        return (self.count - before) * 60 / window_s

    def close(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._path.unlink(missing_ok=True)


def calls(host: str, folder: Path, settle_s: float, window_s: float) -> tuple[float, float]:
    """Calls of the engine's API in a minute in which nothing happens: by all of Funswarm; by Traefik's own provider."""
    counting = Counting(folder / "counted.sock", host)
    try:
        with funswarm(counting.host) as running, PlainHttp(running.http_url) as http:
            http.get("/v1/traefik")  # what a proxy asks for costs the engine nothing; so it is asked
            time.sleep(settle_s)
            ours = counting.a_minute(window_s)
        traefik = (str(Path(sys.executable).parent / "traefik"), f"--providers.swarm.endpoint={counting.host}")
        entry_point = f"--entrypoints.web.address=127.0.0.1:{free_port()}"
        with watch_ground.started((*traefik, entry_point), os.environ, folder / "traefik.log"):
            wait_for(lambda: counting.count, "Traefik to ask", 30, 0.1)
            time.sleep(2)
            theirs = counting.a_minute(window_s)
    finally:
        counting.close()
    return ours, theirs
