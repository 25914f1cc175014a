"""What the proxy is measured on: web servers on an overlay network, Traefik in a container on it. I/O by docker.

Traefik is fed by Funswarm, or by its own Swarm provider through the engine's socket; else all is the same. Whoever asks
does so on this machine, through the container's published port.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import ContainerSpec, EndpointSpec, RestartPolicy, ServiceMode, TaskTemplate, UpdateConfig

from bench.running import free_port
from funswarm.tokens import Role, new_token
from testbed.images import BUSYBOX, TRAEFIK
from testbed.shell import wait_for

NAME = "bench-proxy"
GATEWAY = "docker_gwbridge"  # the engine's own network, over which containers on overlays reach the machine
SECOND_NS = 10**9
LABELS = {
    "traefik.enable": "true",
    "traefik.http.routers.bench.rule": "PathPrefix(`/`)",
    "traefik.http.services.bench.loadbalancer.server.port": "80",
}


@dataclass(frozen=True, slots=True)
class Feed:
    """How Traefik hears of tasks. `settings`: Traefik's; `socket`: it needs the engine's."""

    name: str
    settings: tuple[str, ...]
    socket: bool = False


def ours(url: str, token: str, interval: str) -> Feed:
    """From Funswarm's api."""
    http = "--providers.http."
    endpoint, header = f"{http}endpoint={url}/v1/traefik", f"{http}headers.Authorization=Bearer {token}"
    throttle = "--providers.providersThrottleDuration=100ms"
    return Feed(f"Funswarm, polled every {interval}", (endpoint, header, f"{http}pollInterval={interval}", throttle))


def swarm_provider(refresh_s: int | None = None) -> Feed:
    """From its own provider; None: as it comes, every 15 s and at most one change in 2 s."""
    swarm = ("--providers.swarm.exposedByDefault=false", f"--providers.swarm.network={NAME}")
    if refresh_s is None:
        return Feed("Traefik's own provider, every 15 s", swarm, socket=True)
    often = (f"--providers.swarm.refreshSeconds={refresh_s}", "--providers.providersThrottleDuration=100ms")
    return Feed(f"Traefik's own provider, every {refresh_s} s", (*swarm, *often), socket=True)


def tokens_file(folder: Path) -> tuple[Path, str]:
    """A file of tokens for the api, and the one that is in it: it only reads."""
    text, token = new_token("bench", Role.READ)
    file = folder / "tokens"
    file.write_text(token.model_dump_json(exclude_defaults=True) + "\n")
    return file, text


@dataclass(frozen=True, slots=True)
class Ground:
    """An engine with the network on it."""

    engine: docker.APIClient
    host: str

    @property
    def gateway(self) -> str:
        """The address at which a container reaches this machine."""
        return str(self.engine.inspect_network(GATEWAY)["IPAM"]["Config"][0]["Gateway"])

    def serve(self, replicas: int, drain_s: float) -> None:
        """Make a service of web servers, each with its hostname as its page, and wait until all run.

        Told to stop, they serve for `drain_s` more seconds.
        """
        serve = f"hostname >/tmp/index.html; trap 'sleep {drain_s}; exit' TERM; httpd -f -p 80 -h /tmp & wait"
        container = ContainerSpec(BUSYBOX.tag, command=["sh", "-c", serve], stop_grace_period=20 * SECOND_NS)
        template = TaskTemplate(container, restart_policy=RestartPolicy("any", delay=1), networks=[NAME])
        self.engine.create_service(
            template,
            name=NAME,
            labels=LABELS,
            mode=ServiceMode("replicated", replicas),
            endpoint_spec=EndpointSpec(mode="dnsrr"),
            update_config=UpdateConfig(parallelism=1, delay=SECOND_NS, order="stop-first"),
        )
        wait_for(lambda: len(self.running()) == replicas, f"{replicas} web servers", 120, 0.1)

    def running(self) -> dict[str, float]:
        """The containers (short ids: their hostnames) of the tasks that run, and since when (seconds since 1970)."""
        tasks = self.engine.tasks(filters={"service": NAME, "desired-state": "running"})
        states = [task["Status"] for task in tasks if task["Status"]["State"] == "running"]
        return {one["ContainerStatus"]["ContainerID"][:12]: _seconds(one["Timestamp"]) for one in states}

    def roll(self) -> None:
        """Replace all tasks, one after the other, and wait until that is done."""
        service = self.engine.inspect_service(NAME)
        template = service["Spec"]["TaskTemplate"] | {"ForceUpdate": service["Spec"]["TaskTemplate"]["ForceUpdate"] + 1}
        before = set(self.running())
        version = service["Version"]["Index"]
        self.engine.update_service(service["ID"], version, task_template=template, fetch_current_spec=True)

        def done() -> bool:
            status: dict[str, Any] = self.engine.inspect_service(NAME).get("UpdateStatus") or {}
            return status.get("State") == "completed" and not before & set(self.running())

        wait_for(done, "the update", 300, 0.2)

    @contextlib.contextmanager
    def traefik(self, feed: Feed) -> Iterator[str]:
        """The URL of a Traefik that leads to the service already, until the block ends."""
        port = free_port()
        binds = [f"{self.host.removeprefix('unix://')}:/var/run/docker.sock:ro"] if feed.socket else []
        config = self.engine.create_host_config(port_bindings={80: ("127.0.0.1", port)}, network_mode=NAME, binds=binds)
        common = ("--entrypoints.web.address=:80", "--global.checknewversion=false", "--log.level=ERROR")
        self._remove_traefik()
        container = self.engine.create_container(
            TRAEFIK.tag,
            [*common, *feed.settings],
            name=NAME,
            ports=[80],
            host_config=config,
            use_config_proxy=False,  # else Traefik would ask tasks through the machine's own proxy
        )
        self.engine.start(container)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            self._remove_traefik()

    def _remove_traefik(self) -> None:
        with contextlib.suppress(NotFound):
            self.engine.remove_container(NAME, force=True)

    def remove_service(self) -> None:
        """Remove the service, and wait until its containers are gone."""
        with contextlib.suppress(NotFound):
            self.engine.remove_service(NAME)
        label = f"com.docker.swarm.service.name={NAME}"
        wait_for(lambda: not self.engine.containers(filters={"label": label}), "the web servers to go", 120, 0.2)

    def clear(self) -> None:
        """Remove all of it, an earlier run's too."""
        self._remove_traefik()
        self.remove_service()
        for network in self.engine.networks(names=[NAME]):
            self.engine.remove_network(network["Id"])


@contextlib.contextmanager
def ground(engine: docker.APIClient, host: str) -> Iterator[Ground]:
    """An overlay network of our own until the block ends."""
    made = Ground(engine, host)
    made.clear()
    engine.create_network(NAME, driver="overlay", attachable=True)
    try:
        yield made
    finally:
        made.clear()


def _seconds(text: str) -> float:
    """Of Swarm's RFC 3339 text, with up to nine digits of a second."""
    moment, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{moment}+00:00").timestamp() + float(f"0.{fraction or 0}")
