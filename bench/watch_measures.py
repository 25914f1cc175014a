"""The single measurements of the watch: cold start, rest, one change, tasks, a burst. I/O; answers plain figures."""

import asyncio
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import nats
from nats.js.errors import NotFoundError

from bench.running import Process
from bench.watch_ground import Poller
from bench.watch_listening import EngineEars, Hears, Subscriber, until
from bench.watch_load import MARK, Swarm
from funswarm.subjects import Subjects
from services.poller.pacing import ListPace
from services.settings import Settings

COLD_TIMEOUT_S = 300.0
ROUND_S = 1.5
_SAMPLE = re.compile(r'^funswarm_poller_list_seconds_(sum|count)\{[^}]*kind="(\w+)"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rest:
    """Shares of one core in percent, over a while in which nothing happened."""

    poller: float
    engine: float
    memory_mb: float
    lists: int

    @property
    def note(self) -> str:
        """How the full lists, of which few or none fall into the while, are counted."""
        return f"with {self.lists} full lists" if self.lists else "full lists added, at their pace"


def middle(values: Sequence[float]) -> float:
    """The median, in ms of s."""
    return statistics.median(values) * 1e3


def percentile(values: Sequence[float], percent: int) -> float:
    """That percentile, in ms of s."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1e3


async def cold_start(url: str, poller: Poller, objects: int) -> float:
    """Seconds from the start of the poller's process until the bucket has the states of so many objects."""
    bus = await nats.connect(url)
    stream, name = bus.jetstream(), f"KV_{Subjects().state_bucket}"
    try:
        while True:
            try:
                stored = (await stream.stream_info(name)).state.messages
            except NotFoundError:
                stored = 0
            took_s = time.monotonic() - poller.began_at
            if stored >= objects:
                return took_s
            assert took_s < COLD_TIMEOUT_S, f"{stored} of {objects} states after {took_s:.0f} s:\n{poller.complaint()}"
            await asyncio.sleep(0.02)
    finally:
        await bus.close()


async def shares(processes: Mapping[str, Process], window_s: float) -> dict[str, float]:
    """The share of one core that each process takes, in percent."""
    before = {name: process.cpu_s() for name, process in processes.items()}
    began_at = time.monotonic()
    await asyncio.sleep(window_s)
    took_s = time.monotonic() - began_at
    return {name: (process.cpu_s() - before[name]) / took_s * 100 for name, process in processes.items()}


async def at_rest(processes: Mapping[str, Process], percent: float = 5, timeout_s: float = 60) -> None:
    """Wait until all together take less than so much of a core for half a second: what was begun is done."""
    end = time.monotonic() + timeout_s
    while (used := sum((await shares(processes, 0.5)).values())) >= percent:
        if time.monotonic() > end:
            raise AssertionError(f"no rest within {timeout_s:g} s: {used:.0f} % of a core")


async def rest(url: str, poller: Process, engine: Process, window_s: float) -> Rest:
    """What poller and engine take while nothing happens.

    Where lists are so dear that none fell into the window, the poller's share of them is added: all of their time (it
    is the poller's own for the most part), by the pace that it sets for them.
    """
    _, lists_before = await _lists(url)
    found = await shares({"poller": poller, "engine": engine}, window_s)
    round_s, lists_after = await _lists(url)
    lists = lists_after - lists_before
    added = 0.0
    if not lists:
        defaults = Settings.model_fields
        pace = ListPace(defaults["list_share"].default, defaults["interval_max_s"].default, interval_min_s=2.0)
        pace.note(round_s)
        added = round_s / pace.interval_s * 100
    return Rest(found["poller"] + added, found["engine"], poller.resident_mb(), lists)


async def _lists(url: str) -> tuple[float, int]:
    """How long a full list takes in the mean, in seconds, and how many there were."""
    bus = await nats.connect(url)
    text = (await bus.request(Subjects().part_metrics, timeout=10)).data.decode()
    await bus.close()
    samples = {(kind, name): float(value) for name, kind, value in _SAMPLE.findall(text)}
    assert samples, f"the poller's metrics tell nothing of its lists:\n{text}"
    means = [value / samples[kind, "count"] for (kind, name), value in samples.items() if name == "sum" and value]
    return sum(means), int(samples.get(("task", "count"), 0))


async def latencies(
    ears: EngineEars, subscribers: Mapping[str, Hears], changes: Sequence[tuple[str, Callable[[], None]]], gap_s: float
) -> dict[str, list[float]]:
    """By subscriber: seconds from the engine's own event to the arrival, of each change; one change at a time."""
    took: dict[str, list[float]] = {name: [] for name in subscribers}
    for key, make in changes:
        since = time.monotonic()
        await asyncio.to_thread(make)
        told = await until(partial(ears.first, key, since), f"the engine tells of {key}")
        for name, subscriber in subscribers.items():
            arrived = await until(partial(subscriber.first, "updated", key, since), f"{name} hears of {key}")
            took[name].append(arrived - told)
        await asyncio.sleep(gap_s * random.uniform(0.5, 1.5))
    return took


async def task_latencies(swarm: Swarm, subscriber: Subscriber, rounds: int) -> list[float]:
    """Seconds from Swarm's own time of `running` or `failed` to the arrival, of real containers.

    In each round one service runs two tasks and one task fails. Not all at once: then it is dockerd that comes late,
    by seconds, with what its tasks do.
    """
    for number in range(rounds):
        await asyncio.to_thread(swarm.create_running, number, 2)
        await asyncio.sleep(ROUND_S / 2)
        await asyncio.to_thread(swarm.create_failing, number)
        await asyncio.sleep(ROUND_S / 2)

    def all_heard() -> bool:
        return (
            len(_tasks(subscriber, "running", "runs")) >= rounds * 2
            and len(_tasks(subscriber, "failed", "fails")) >= rounds
        )

    await until(all_heard, "all tasks run, or fail", 180)
    found = [late for action in ("running", "failed") for late in _tasks(subscriber, action, "")]
    await asyncio.to_thread(swarm.remove, "runs")
    await asyncio.to_thread(swarm.remove, "fails")
    return found


def _tasks(subscriber: Subscriber, action: str, prefix: str) -> list[float]:
    found = []
    for heard in subscriber.all_of(action, "task"):
        after = json.loads(heard.data)["after"]
        if after["service_name"].startswith(MARK + prefix):
            found.append(heard.wall_s - datetime.fromisoformat(after["timestamp"]).timestamp())
    return found


async def burst(swarm: Swarm, subscriber: Subscriber, count: int) -> tuple[float, float]:
    """Seconds from the end of the last create to the arrival of the last `created`; and how many creates a second."""
    before = len(subscriber.all_of("created", "service"))
    began_at = time.monotonic()
    await asyncio.to_thread(swarm.create_pending, count, 0, "burst")
    ended_at = time.monotonic()
    await until(lambda: len(subscriber.all_of("created", "service")) >= before + count, f"{count} services created")
    last = max(heard.at for heard in subscriber.all_of("created", "service"))
    await asyncio.to_thread(swarm.remove, "burst")
    return max(0.0, last - ended_at), count / (ended_at - began_at)
