"""The peers of the watch, which poll: all lists every second, and every 15 s as Traefik's Swarm provider does it.

`python -m bench.watch_peers NAME DOCKER_HOST` is one of them: a line of JSON for each round, with what changed in it.
Traefik 3.7 asks, one after the other: services, version, networks, the tasks of each service, the node of each running
task; and takes what it has read into use when it has read all (then at most every 2 s, which is not counted here).
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker

from bench.running import Process
from bench.watch_ground import ready_line, started
from bench.watch_listening import EngineEars
from bench.watch_load import client
from bench.watch_measures import latencies, shares

INTERVALS_S = {"lists": 1.0, "traefik": 15.0}


def read_lists(engine: docker.APIClient) -> list[dict[str, Any]]:
    """All services and nodes; the tasks are read too."""
    services = engine.services()
    engine.tasks()
    return [*services, *engine.nodes()]


def read_as_traefik(engine: docker.APIClient) -> list[dict[str, Any]]:
    """All services."""
    services: list[dict[str, Any]] = engine.services()
    engine.version()
    engine.networks(filters={"scope": "swarm"})
    for service in services:
        for task in engine.tasks(filters={"service": service["ID"], "desired-state": "running"}):
            if task["Status"]["State"] == "running":
                engine.inspect_node(task["NodeID"])
    return services


READS = {"lists": read_lists, "traefik": read_as_traefik}


def poll(name: str, host: str) -> None:
    """Poll until ended; each line: when the round was done (monotonic), and the ids of what changed since the last."""
    engine = client(host)
    known: dict[str, int] = {}
    while True:
        began_at = time.monotonic()
        found = {one["ID"]: one["Version"]["Index"] for one in READS[name](engine)}
        changed = [key for key, version in found.items() if known.get(key) != version] if known else []
        known = found
        print(json.dumps({"at": time.monotonic(), "changed": changed}), flush=True)
        time.sleep(max(0.0, began_at + INTERVALS_S[name] - time.monotonic()))


class PeerSubscriber:
    """What a peer has seen, in the place of a subscriber of ours."""

    def __init__(self, peer: subprocess.Popen[bytes]) -> None:
        self._peer = peer
        self._seen: list[tuple[float, set[str]]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._peer.stdout is not None
        for line in self._peer.stdout:
            told = json.loads(line)
            self._seen.append((told["at"], set(told["changed"])))

    def first(self, _action: str, key: str, since: float) -> float | None:
        """When it saw that object changed, first since then."""
        object_id = key.partition("/")[2]
        return next((at for at, changed in self._seen if at >= since and object_id in changed), None)


async def measure(
    name: str, host: str, engine: Process, changes: Sequence[tuple[str, Callable[[], None]]], window_s: float
) -> tuple[float, float]:
    """The share of a core that dockerd takes with that peer (percent); and the median of its latencies, in seconds.

    Changes are made at random moments of two of its intervals, and not waited for one by one: they come 15 s later.
    """
    command = (sys.executable, "-m", "bench.watch_peers", name, host)
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as folder:
        ears = EngineEars(host)
        with started(command, os.environ, Path(folder, "log")) as process:
            await asyncio.to_thread(ready_line, process)
            peer = PeerSubscriber(process)
            share = (await shares({"engine": engine}, window_s))["engine"]
            spread_s = max(10.0, 2 * INTERVALS_S[name])
            took = await asyncio.gather(*(_one(ears, peer, change, random.uniform(0, spread_s)) for change in changes))
        ears.close()
    return share, sorted(took)[len(took) // 2]


async def _one(ears: EngineEars, peer: PeerSubscriber, change: tuple[str, Callable[[], None]], wait_s: float) -> float:
    await asyncio.sleep(wait_s)
    found = await latencies(ears, {"peer": peer}, [change], 0)
    return found["peer"][0]


if __name__ == "__main__":
    poll(sys.argv[1], sys.argv[2])
