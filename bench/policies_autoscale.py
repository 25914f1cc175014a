"""Autoscaled services on the simulator: what a round costs, and how soon work that comes is answered. I/O.

Half of them are scaled by the lag of a JetStream consumer of their own, half by a number that is pushed.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import nats
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, StorageType, StreamConfig

from bench import policies_ground as ground
from bench.policies_ground import Fleet, Listener
from bench.results import Figure
from bench.running import Running
from bench.watch_listening import until
from bench.watch_measures import percentile
from funswarm.subjects import Subjects
from services.scheduler.policies.autoscale.policy import ROUND_S

STREAM = "BENCH"
TARGET = 10  # messages, or of the number, for each task
SPIKE = 50
PUSH_EVERY_S = 30.0
_COMMON = {"funswarm.autoscale.enable": "true", "funswarm.autoscale.min": "1", "funswarm.autoscale.max": "10"}
_PUSHED = _COMMON | {"funswarm.autoscale.push": str(TARGET)}


@dataclass(frozen=True, slots=True)
class Size:
    """How much: services; rounds that are measured; spikes one by one, of both kinds, and at once."""

    services: int
    settle_s: float
    rounds: int
    spikes: int
    pushes: int
    at_once: int


def labels(size: Size) -> dict[str, dict[str, str]]:
    """By service: `lag-…` and `push-…` in turn."""
    found = {}
    for number in range(size.services // 2):
        name = f"lag-{number}"
        trigger = {"lag": str(TARGET), "stream": STREAM, "consumer": name}
        found[name] = _COMMON | {f"funswarm.autoscale.{key}": value for key, value in trigger.items()}
        found[f"push-{number}"] = _PUSHED
    return found


async def measured(size: Size) -> list[Figure]:
    """All figures."""
    wanted = labels(size)
    lags, pushes = [[name for name in wanted if name.startswith(kind)] for kind in ("lag", "push")]

    def make(fleet: Fleet) -> None:
        fleet.create(wanted, 1, "sleep", "infinity")

    with ground.simulated(make) as (fleet, running):
        bus = await nats.connect(running.nats_url)
        try:
            await _consumers(bus, lags)
            async with _pushing(bus, pushes):
                await ground.until_followed(bus, len(wanted))
                await asyncio.sleep(size.settle_s)
                both = await _round(running, size)
                spikes = await _spikes(bus, lags, pushes, size)
            async with _pushing(bus, [*pushes, *lags]):
                await asyncio.to_thread(fleet.relabel, dict.fromkeys(lags, _PUSHED))
                await asyncio.sleep(2 * ROUND_S)
                pushed = await _round(running, size)
            return [*_costs(size, both, pushed), *spikes]
        finally:
            await bus.close()


async def _consumers(bus: Client, names: Sequence[str]) -> None:
    stream = bus.jetstream()
    await stream.add_stream(StreamConfig(name=STREAM, subjects=["bench.*"], storage=StorageType.MEMORY))
    for name in names:
        await stream.add_consumer(STREAM, ConsumerConfig(durable_name=name, filter_subject=f"bench.{name}"))


@contextlib.asynccontextmanager
async def _pushing(bus: Client, names: Sequence[str]) -> AsyncIterator[None]:
    """Numbers that ask for what there is, every PUSH_EVERY_S, as whoever pushes has to."""

    async def push() -> None:
        while True:
            for name in names:
                await bus.publish(Subjects().gauge(name), str(TARGET).encode())
                await asyncio.sleep(PUSH_EVERY_S / len(names))

    pushing = asyncio.create_task(push())
    try:
        yield
    finally:
        pushing.cancel()
        await asyncio.wait({pushing})


@dataclass(frozen=True, slots=True)
class Round:
    """What ROUND_S cost, in which each service was decided about once: the process's CPU, of that deciding; memory."""

    cpu_s: float
    deciding_s: float
    looks: float
    memory_mb: float


async def _round(running: Running, size: Size) -> Round:
    """In the mean of some."""
    scheduler = running.parts["scheduler"]
    before, cpu_s, begun_at = ground.evaluations(running), scheduler.cpu_s(), time.monotonic()
    await asyncio.sleep(size.rounds * ROUND_S)
    took_s, rounds = scheduler.cpu_s() - cpu_s, (time.monotonic() - begun_at) / ROUND_S
    done = ground.evaluations(running).since(before)
    looks = done.count / size.services / rounds
    assert looks > 0.9, f"a service was looked at only {looks:.2f} times in {ROUND_S:g} s"
    return Round(took_s / rounds, done.seconds / rounds, looks, scheduler.resident_mb())


def _costs(size: Size, both: Round, pushed: Round) -> list[Figure]:
    """`pushed`: where no lags are read. What is more in `both` is for reading them every second: a round needs one."""
    what = f"{size.services:,} autoscaled services"
    once = pushed.cpu_s + max(0.0, both.cpu_s - pushed.cpu_s) / ROUND_S
    seconds = f"the same, and all lags read {ROUND_S:g} times in {ROUND_S:g} s"
    return [
        Figure(
            f"{what}: a round, each decided about once, each lag read once", once, "s of CPU", 0.5, "all of the process"
        ),
        Figure(f"{what}: {seconds}", both.cpu_s, "s of CPU", note=f"{both.looks:.1f} looks at each"),
        Figure(f"{what}: of that deciding", both.deciding_s, "s"),
        Figure(f"{what}: the scheduler's memory", both.memory_mb, "MB", 200, "resident"),
        Figure(f"{what}: the scheduler's memory after all", pushed.memory_mb, "MB", 200, "resident"),
    ]


async def _spikes(bus: Client, lags: Sequence[str], pushes: Sequence[str], size: Size) -> list[Figure]:
    """From when work comes until the command for more replicas is in the stream."""
    listener = await Listener.open(bus, "scale")
    chosen = random.sample(lags, size.spikes + size.at_once)
    by_lag = [await _spike(bus, listener, name) for name in chosen[: size.spikes]]
    by_push = [await _push(bus, listener, name) for name in random.sample(pushes, size.pushes)]
    together = chosen[size.spikes :]
    begun_at = time.monotonic()
    for name in together:
        await _publish(bus, name)
    await until(lambda: all(listener.first(name, begun_at) for name in together), "all are scaled up")
    last_s = max(heard.at for name in together if (heard := listener.first(name, begun_at))) - begun_at
    return [
        *_late("lag of a consumer → more replicas asked for", by_lag),
        *_late("number pushed → more replicas asked for", by_push),
        Figure(f"{len(together)} lags at once → the last of them asked for", last_s, "s", 2),
    ]


def _late(what: str, took: list[float]) -> list[Figure]:
    count = f"{len(took)} services, one after the other"
    return [
        Figure(f"{what}, median", percentile(took, 50) / 1e3, "s", 2, count),
        Figure(f"{what}, p99", percentile(took, 99) / 1e3, "s", 2, count),
    ]


async def _spike(bus: Client, listener: Listener, name: str) -> float:
    """Seconds from the first message."""
    await asyncio.sleep(random.uniform(0, 1))  # at any moment between two looks
    begun_at = time.monotonic()
    await _publish(bus, name)
    return await _answered(listener, name, begun_at)


async def _publish(bus: Client, name: str) -> None:
    for _ in range(SPIKE):
        await bus.publish(f"bench.{name}", b"work")
    await bus.flush()


async def _push(bus: Client, listener: Listener, name: str) -> float:
    begun_at = time.monotonic()
    await bus.publish(Subjects().gauge(name), str(SPIKE).encode())
    return await _answered(listener, name, begun_at)


async def _answered(listener: Listener, name: str, begun_at: float) -> float:
    await until(lambda: listener.first(name, begun_at), f"{name} is scaled up")
    heard = listener.first(name, begun_at)
    assert heard is not None
    return heard.at - begun_at
