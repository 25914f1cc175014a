"""The same commands twice: by docker-py's low-level calls in threads, and through NATS by the SDK.

No node takes their tasks, so that what is measured is the engine's work and ours, not containers'.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import docker
from docker.errors import NotFound
from docker.types import ContainerSpec, Placement, ServiceMode, TaskTemplate

from funswarm import Client, Result, ServiceSpec, check
from testbed.images import BUSYBOX

IN_FLIGHT = 16
MARK = "bench-c"
NOWHERE = "node.labels.none==1"


@dataclass(frozen=True, slots=True)
class Peer:
    """docker-py, as a careful user writes it: a scale reads the service and writes it with its version."""

    engine: docker.APIClient

    def do(self, verb: str, name: str) -> None:
        """One command; a scale is from 0 to 1."""
        if verb == "create":
            template = TaskTemplate(ContainerSpec(BUSYBOX.tag), placement=Placement(constraints=[NOWHERE]))
            self.engine.create_service(template, name=name, mode=ServiceMode("replicated", 0))
        elif verb == "scale":
            service = self.engine.inspect_service(name)
            spec = {**service["Spec"], "Mode": {"Replicated": {"Replicas": 1}}}
            url = f"{self.engine.base_url}/v{self.engine.api_version}/services/{service['ID']}/update"
            self.engine.post(url, json=spec, params={"version": service["Version"]["Index"]}).raise_for_status()
        else:
            self.engine.remove_service(name)

    def remove_all(self) -> None:
        """Remove what a run has made, or an earlier one left."""
        for service in self.engine.services(filters={"name": MARK}):
            with suppress(NotFound):
                self.engine.remove_service(service["ID"])


@dataclass(frozen=True, slots=True)
class Through:
    """The SDK: each ends with its result."""

    client: Client

    async def do(self, verb: str, name: str) -> Result:
        """The same command, to its result."""
        if verb == "create":
            spec = ServiceSpec(name=name, image=BUSYBOX.tag, replicas=0, constraints=(NOWHERE,))
            return check(await self.client.create(spec))
        if verb == "scale":
            return check(await self.client.scale(name, 1))
        return check(await self.client.remove(name))


def names(series: str, count: int) -> list[str]:
    """The services of a series."""
    return [f"{MARK}-{series}-{number}" for number in range(count)]


def at_once_by_peer(peer: Peer, verb: str, series: str, count: int) -> float:
    """Commands a second, 16 threads."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(lambda name: peer.do(verb, name), names(series, count)))
    return count / (time.perf_counter() - begun)


async def at_once_through(through: Through, verb: str, series: str, count: int) -> float:
    """Commands a second, 16 in flight."""
    begun = time.perf_counter()
    await _bounded(through.do(verb, name) for name in names(series, count))
    return count / (time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds of each command: docker-py's call; from submitting to applied, and to the result."""

    directly: list[float]
    applied: list[float]
    ended: list[float]


async def one_by_one(peer: Peer, through: Through, verb: str, count: int) -> Took:
    """One command at a time, directly and through NATS in turn. The scheduler's clock is this machine's."""
    took = Took([], [], [])
    for mine, others in zip(names("n", count), names("d", count), strict=True):
        begun = time.perf_counter()
        peer.do(verb, others)
        took.directly.append((time.perf_counter() - begun) * 1e3)
        begun, submitted_at = time.perf_counter(), datetime.now(UTC)
        result = await through.do(verb, mine)
        took.ended.append((time.perf_counter() - begun) * 1e3)
        took.applied.append((result.finished_at - submitted_at).total_seconds() * 1e3)
    return took


async def _bounded(work: Iterable[Awaitable[Result]]) -> None:
    """All of it, IN_FLIGHT at a time."""
    queue = iter(work)

    async def one_after_another() -> None:
        for one in queue:
            await one

    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
