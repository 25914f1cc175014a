"""`make bench-commands`: what commands cost beside docker-py's own low-level calls, on a real engine, in the same run.

Throughput with 16 in flight, latency one by one, and a scheduler that is killed in the middle. All on this machine:
publisher, nats-server, poller, scheduler and engine share its cores.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import docker
import uvloop

from bench import commands_failover as failover
from bench.commands_load import Peer, Through, at_once_by_peer, at_once_through, one_by_one
from bench.results import Figure, section, write
from bench.running import Process, funswarm
from bench.watch_ground import engine_process
from bench.watch_measures import at_rest
from funswarm import Client
from testbed import engine as host_engine
from testbed import images

VERBS = ("create", "scale", "remove")


@dataclass(frozen=True, slots=True)
class Size:
    """How many commands: in each of `rounds` at once, one by one, and around the kill."""

    at_once: int = 400
    rounds: int = 3
    alone: int = 150
    around_kill: int = 1000


QUICK = Size(at_once=100, rounds=1, alone=30, around_kill=200)


async def throughput(peer: Peer, through: Through, processes: Mapping[str, Process], size: Size) -> list[Figure]:
    """Commands per second by verb, directly and through NATS in turn, so that both meet the same machine.

    Before each the engine and Funswarm's parts have come to rest, so that none bears what another left to do.
    """
    rates: dict[str, tuple[list[float], list[float]]] = {verb: ([], []) for verb in VERBS}
    for number in range(size.rounds):
        for verb in VERBS:
            await at_rest(processes)
            rates[verb][0].append(await asyncio.to_thread(at_once_by_peer, peer, verb, f"d{number}", size.at_once))
        for verb in VERBS:
            await at_rest(processes)
            rates[verb][1].append(await at_once_through(through, verb, f"n{number}", size.at_once))
    figures = []
    for verb, (directly, through_nats) in rates.items():
        raw, ours = statistics.median(directly), statistics.median(through_nats)
        figures += [
            Figure(f"{verb}: docker-py, 16 threads", raw, "a second"),
            Figure(f"{verb}: through NATS, 16 in flight", ours, "a second"),
            Figure(f"{verb}: through NATS, of docker-py's", 100 * ours / raw, "%", at_least=75),
        ]
    return figures


async def latency(peer: Peer, through: Through, size: Size) -> list[Figure]:
    """Milliseconds of one command at a time, directly and through NATS in turn."""
    figures = []
    for verb in VERBS:
        took = await one_by_one(peer, through, verb, size.alone)
        raw, applied, ended = (statistics.median(each) for each in (took.directly, took.applied, took.ended))
        figures += [
            Figure(f"one {verb}: docker-py", raw, "ms", note="median"),
            Figure(f"one {verb}: submitted to applied, more than docker-py", applied - raw, "ms", 2),
            Figure(f"one {verb}: submitted to its result, more than docker-py", ended - raw, "ms"),
        ]
    return figures


async def measured(host: str, size: Size, say: Callable[[str], None]) -> list[Figure]:
    """All figures."""
    peer = Peer(docker.APIClient(base_url=host, version="auto", timeout=120, max_pool_size=16))
    peer.remove_all()
    figures: list[Figure] = []
    try:
        with funswarm(host) as running:
            async with Client(running.nats_url) as client:
                say("one by one")
                figures += await latency(peer, Through(client), size)
                say("16 in flight")
                processes = {**running.parts, "engine": engine_process(host)}
                figures += await throughput(peer, Through(client), processes, size)
                peer.remove_all()
                say("a kill in the middle")
                figures += await failover.killed(host, running, client, size.around_kill)
    finally:
        peer.remove_all()
    return figures


def main() -> int:
    """Measure, print, write; 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, and nothing is written")
    quick = parser.parse_args().quick
    found = host_engine.start()
    images.ensure(found)
    engine = docker.APIClient(base_url=found.host, version="auto", timeout=60)
    if engine.info()["Swarm"]["LocalNodeState"] != "active":
        engine.init_swarm(advertise_addr="127.0.0.1")
    figures = uvloop.run(measured(found.host, QUICK if quick else Size(), lambda text: print(text, flush=True)))
    tell = section if quick else write
    print(tell("Commands", f"dockerd {found.version}, one node", figures))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
