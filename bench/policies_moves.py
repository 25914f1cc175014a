"""Tasks that are moved on a real Swarm of three nodes: by Funswarm, and by what Docker itself has for it. I/O.

Rebalance beside `docker service update --force`, a graceful drain beside `docker node update --availability drain`.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import docker
from docker.errors import NotFound
from docker.types import ContainerSpec, ServiceMode, TaskTemplate, UpdateConfig

from bench.running import funswarm
from bench.watch_load import client as docker_client
from funswarm import Client, check
from testbed import images
from testbed import swarm as testbed_swarm
from testbed.node import Node
from testbed.shell import wait_for

MARK = "bench-moves"
SAMPLE_S = 0.05
PATIENCE_S = 300.0
REST_S = 5.0
STOP_NS = 10**9

Order = Literal["stop-first", "start-first"]
Tasks = dict[str, str]  # those that run and shall, by id: the node's id


class Watching:
    """A thread that counts the tasks of each service that run, every SAMPLE_S, for as long as the block lasts."""

    def __init__(self, engine: docker.APIClient, names: Sequence[str]) -> None:
        self._engine, self._names = engine, names
        self.samples: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            for name in self._names:
                states = [task["Status"]["State"] for task in self._engine.tasks(filters={"service": name})]
                self.samples[name].append((time.monotonic(), states.count("running")))

    def least(self, name: str) -> int:
        """The lowest number that ran at once."""
        return min(count for _, count in self.samples[name])

    def fewer_s(self, name: str, wanted: int) -> float:
        """For how long there were fewer than wanted."""
        times = self.samples[name]
        return sum(later - at for (at, count), (later, _) in pairwise(times) if count < wanted)


@dataclass(frozen=True, slots=True)
class Ground:
    """The Swarm, as its manager has it, and Funswarm on it."""

    manager: Node
    engine: docker.APIClient
    client: Client

    def create(self, name: str, replicas: int, order: Order = "stop-first", where: tuple[str, ...] = ()) -> None:
        """Sleepers, which need nothing, and wait until they run."""
        container = ContainerSpec(images.BUSYBOX.tag, command=["sleep", "infinity"], stop_grace_period=STOP_NS)
        self.engine.create_service(
            TaskTemplate(container, placement=docker.types.Placement(constraints=list(where))),
            name=name,
            mode=ServiceMode("replicated", replicas),
            update_config=UpdateConfig(parallelism=1, order=order),
        )
        self.wait(lambda: len(self.running(name)) == replicas, f"{replicas} tasks of {name}")

    def create_gathered(self, name: str, replicas: int, order: Order = "stop-first") -> None:
        """All of its tasks on one node; the others had no task of it, and are free."""
        _, *others = self.nodes()
        for node in others:
            self.make(node["ID"], "pause")
        self.create(name, replicas, order)
        for node in others:
            self.make(node["ID"], "active")

    def running(self, name: str) -> Tasks:
        """The tasks that run and shall."""
        found = self.engine.tasks(filters={"service": name, "desired-state": "running"})
        return {task["ID"]: task["NodeID"] for task in found if task["Status"]["State"] == "running"}

    def nodes(self) -> list[dict[str, Any]]:
        """The manager first."""
        return sorted(self.engine.nodes(), key=lambda node: str(node["Spec"]["Role"]))

    def make(self, node: str, availability: str) -> None:
        """As the docker command line does."""
        self.manager.docker("node", "update", "--availability", availability, node)

    def clear(self) -> None:
        """Remove the services, and wait until their tasks are gone; all nodes get tasks again."""
        for service in self.engine.services(filters={"name": MARK}):
            with contextlib.suppress(NotFound):
                self.engine.remove_service(service["ID"])
        for node in self.nodes():
            self.make(node["ID"], "active")
        self.wait(lambda: not any(self._ours(task) for task in self.engine.tasks()), "tasks of removed services to go")

    @staticmethod
    def _ours(task: dict[str, Any]) -> bool:
        return bool(task["Spec"]["ContainerSpec"]["Image"].startswith(images.BUSYBOX.tag))

    @staticmethod
    def wait(condition: Callable[[], bool], what: str) -> None:
        wait_for(condition, what, PATIENCE_S, 0.1)


@dataclass(frozen=True, slots=True)
class Spread:
    """How tasks of one node came to be spread over all. `stopped`: tasks that there were before and are no more."""

    stopped: int
    least: int
    took_s: float
    ends: tuple[int, ...]


async def rebalanced(ground: Ground, replicas: int) -> Spread:
    """By Funswarm's command."""

    async def spread(name: str) -> None:
        check(await ground.client.rebalance(name))
        await asyncio.to_thread(ground.wait, lambda: _is_even(ground, name, replicas), f"{name} to be spread")

    return await _spread(ground, f"{MARK}-ours", replicas, spread, "stop-first")


async def forced(ground: Ground, replicas: int, order: Order) -> Spread:
    """By `docker service update --force`."""

    def done(name: str) -> bool:
        status = ground.engine.inspect_service(name).get("UpdateStatus") or {}
        return status.get("State") == "completed" and len(ground.running(name)) == replicas

    async def spread(name: str) -> None:
        await asyncio.to_thread(ground.manager.docker, "service", "update", "--force", "--detach", name)
        await asyncio.to_thread(ground.wait, lambda: done(name), f"the update of {name}")

    return await _spread(ground, f"{MARK}-{order}", replicas, spread, order)


def _is_even(ground: Ground, name: str, replicas: int) -> bool:
    service, tasks = ground.engine.inspect_service(name), ground.running(name)
    marked = any(label.startswith("funswarm.rebalance.") for label in service["Spec"].get("Labels") or {})
    counts = [Counter(tasks.values())[node["ID"]] for node in ground.nodes()]
    return not marked and len(tasks) == replicas and max(counts) - min(counts) <= 1


async def _spread(
    ground: Ground, name: str, replicas: int, spread: Callable[[str], Awaitable[None]], order: Order
) -> Spread:
    await asyncio.to_thread(ground.create_gathered, name, replicas, order)
    await asyncio.sleep(REST_S)
    before = ground.running(name)
    with Watching(ground.engine, [name]) as watching:
        begun_at = time.monotonic()
        await spread(name)
        took_s = time.monotonic() - begun_at
        await asyncio.sleep(1)
    after = ground.running(name)
    await asyncio.to_thread(ground.clear)
    ends = tuple(sorted(Counter(after.values()).values(), reverse=True))
    return Spread(len(before.keys() - after.keys()), watching.least(name), took_s, ends)


@dataclass(frozen=True, slots=True)
class Drained:
    """How a node was drained: what ran of a service of one task and of one of several, and for how long too few."""

    least_of_one: int
    least_of_several: int
    fewer_s: float
    took_s: float


async def drained(ground: Ground, replicas: int, *, graceful: bool) -> Drained:
    """A worker that has the one task of a service, and half of those of another. By Funswarm, or by docker."""
    one, several = f"{MARK}-one", f"{MARK}-several"
    workers = ("node.role==worker",)
    await asyncio.to_thread(ground.create, several, replicas, where=workers)
    await asyncio.to_thread(ground.create, one, 1, where=workers)
    await asyncio.sleep(REST_S)
    ((_, node),) = ground.running(one).items()
    with Watching(ground.engine, [one, several]) as watching:
        begun_at = time.monotonic()
        if graceful:
            check(await ground.client.drain(node, graceful=True))
        else:
            await asyncio.to_thread(ground.make, node, "drain")
        wanted = {one: 1, several: replicas}
        await asyncio.to_thread(ground.wait, lambda: _is_drained(ground, node, wanted), "the node to be drained")
        took_s = time.monotonic() - begun_at
        await asyncio.sleep(1)
    await asyncio.to_thread(ground.clear)
    fewer_s = watching.fewer_s(one, 1)
    return Drained(watching.least(one), watching.least(several), fewer_s, took_s)


def _is_drained(ground: Ground, node: str, wanted: dict[str, int]) -> bool:
    """Whether nothing runs there any more, and all of it elsewhere, as it was asked for."""
    if ground.engine.inspect_node(node)["Spec"]["Availability"] != "drain":
        return False
    for name, count in wanted.items():
        spec, tasks = ground.engine.inspect_service(name)["Spec"], ground.running(name)
        marked = any(label.startswith("funswarm.drain.") for label in spec.get("Labels") or {})
        if marked or spec["Mode"]["Replicated"]["Replicas"] != count or len(tasks) != count or node in tasks.values():
            return False
    left = ground.engine.tasks(filters={"node": node})
    return not any(task["Status"]["State"] == "running" for task in left)


@contextlib.asynccontextmanager
async def real() -> AsyncIterator[Ground]:
    """A Swarm of three nodes of its own, with Funswarm beside it on this machine."""
    swarm = testbed_swarm.up(MARK, nodes=3, managers=1, fresh=True)
    try:
        testbed_swarm.load(swarm, (images.BUSYBOX.tag,))
        engine = docker_client(swarm.manager.host)
        with funswarm(swarm.manager.host) as running:
            async with Client(running.nats_url) as client:
                yield Ground(swarm.manager, engine, client)
    finally:
        testbed_swarm.down(swarm)
