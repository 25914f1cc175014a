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
        found[f"push-{number}"] = _COMMON | {"funswarm.autoscale.push": str(TARGET)}
    return found


async def measured(size: Size) -> list[Figure]:
    """All figures."""
    wanted = labels(size)
    lags, pushes = [[name for name in wanted if name.startswith(kind)] for kind in ("lag", "push")]

    def make(fleet: Fleet) -> None:
        fleet.create(wanted, 1, "sleep", "infinity")

    with ground.simulated(make) as (_, running):
        bus = await nats.connect(running.nats_url)
        try:
            await _consumers(bus, lags)
            async with _pushing(bus, pushes):
                await ground.until_followed(bus, len(wanted))
                await asyncio.sleep(size.settle_s)
                at_rest = await _rounds(running, size)
                return [*at_rest, *await _spikes(bus, running, lags, pushes, size)]
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


async def _rounds(running: Running, size: Size) -> list[Figure]:
    """What the scheduler takes in all, metrics and feed included, while each service is decided about in turn."""
    scheduler = running.parts["scheduler"]
    before, cpu_s, begun_at = ground.evaluations(running), scheduler.cpu_s(), time.monotonic()
    await asyncio.sleep(size.rounds * ROUND_S)
    took_s, rounds = scheduler.cpu_s() - cpu_s, (time.monotonic() - begun_at) / ROUND_S
    done = ground.evaluations(running).since(before)
    looks = done.count / size.services / rounds
    assert looks > 0.9, f"a service was looked at only {looks:.2f} times in {ROUND_S:g} s"
    what, period = f"{size.services:,} autoscaled services", f"{ROUND_S:g} s, a round"
    note = f"{looks:.1f} looks at each, and each lag read {ROUND_S:g} times"
    deciding_s = done.seconds / done.count * size.services
    return [
        Figure(f"{what}: deciding about each once", deciding_s, "s", 0.5, "in the process, by its own metrics"),
        Figure(f"{what}: all of the scheduler's CPU in {period}", took_s / rounds, "s", 0.5, note),
        Figure(f"{what}: the scheduler's memory", scheduler.resident_mb(), "MB", 200, "resident"),
    ]


async def _spikes(
    bus: Client, running: Running, lags: Sequence[str], pushes: Sequence[str], size: Size
) -> list[Figure]:
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
    memory, what = running.parts["scheduler"].resident_mb(), f"{size.services:,} autoscaled services"
    return [
        *_late("lag of a consumer → more replicas asked for", by_lag),
        *_late("number pushed → more replicas asked for", by_push),
        Figure(f"{len(together)} lags at once → the last of them asked for", last_s, "s", 2),
        Figure(f"{what}: the scheduler's memory after all", memory, "MB", 200, "resident"),
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
