"""Cron services on the simulator: what they cost while none is due, and how late runs begin when many are due at once.

Most are due once a day, hours away. For each storm some get another schedule: all of them the same second. I/O.
"""

import asyncio
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats

from bench import policies_ground as ground
from bench.policies_ground import Fleet, Listener
from bench.results import Figure
from bench.watch_listening import until
from bench.watch_measures import percentile, shares

AHEAD = timedelta(seconds=20)
SCHEDULE = "funswarm.cron.schedule"


@dataclass(frozen=True, slots=True)
class Size:
    """How many jobs, how many of them are due at one second, and how often that comes to pass."""

    jobs: int
    due: int
    storms: int
    settle_s: float
    rest_s: float


@dataclass(frozen=True, slots=True)
class Late:
    """Of each run: seconds from its time until its command was in the stream, and until it was applied."""

    asked: list[float]
    applied: list[float]


async def measured(size: Size) -> list[Figure]:
    """All figures."""
    names = [f"job-{number}" for number in range(size.jobs)]

    def make(fleet: Fleet) -> None:
        fleet.create({name: {SCHEDULE: _some_time()} for name in names}, 0, "true", ends=True)

    with ground.simulated(make) as (fleet, running):
        scheduler = running.parts["scheduler"]
        bus = await nats.connect(running.nats_url)
        try:
            await ground.until_followed(bus, size.jobs)
            await asyncio.sleep(size.settle_s)
            share = (await shares({"scheduler": scheduler}, size.rest_s))["scheduler"]
            memory = scheduler.resident_mb()
            listener = await Listener.open(bus, "run")
            chosen = random.sample(names, size.due * size.storms)
            storms = [await _storm(fleet, listener, group) for group in _groups(chosen, size.due)]
        finally:
            await bus.close()
        after = scheduler.resident_mb()
    what = f"{size.jobs:,} cron services"
    return [
        Figure(f"{what}, none due: the scheduler's CPU", share, "% of a core"),
        Figure(f"{what}: the scheduler's memory", memory, "MB", note="resident"),
        Figure(f"{what}: the scheduler's memory after all runs", after, "MB", note="resident"),
        *_figures(size, storms),
    ]


def _figures(size: Size, storms: Sequence[Late]) -> list[Figure]:
    asked = [late for storm in storms for late in storm.asked]
    applied = [late for storm in storms for late in storm.applied]
    what, count = f"{size.due} due at one second", f"{len(applied)} runs in {len(storms)} storms"
    last = [max(storm.applied) for storm in storms]
    return [
        Figure(f"{what}: its time → asked for, median", percentile(asked, 50) / 1e3, "s", note=count),
        Figure(f"{what}: its time → asked for, p99", percentile(asked, 99) / 1e3, "s", 1, count),
        Figure(f"{what}: its time → begun, median", percentile(applied, 50) / 1e3, "s", note=count),
        Figure(f"{what}: its time → begun, p99", percentile(applied, 99) / 1e3, "s", 1, "written to the Swarm"),
        Figure(
            f"{what}: the last of them begun", statistics.median(last), "s", note=f"median; at most {max(last):.3g} s"
        ),
        Figure(f"{what}: begun before its time", sum(late < 0 for late in applied), "", 0),
    ]


async def _storm(fleet: Fleet, listener: Listener, names: Sequence[str]) -> Late:
    """Have all of them due at one second soon, and wait until all have been begun."""
    due = (datetime.now(UTC) + AHEAD).replace(microsecond=0)
    schedule = f"{due.second} {due.minute} {due.hour} * * *"
    await asyncio.to_thread(fleet.relabel, {name: {SCHEDULE: schedule} for name in names})
    left_s = (due - datetime.now(UTC)).total_seconds()
    assert left_s > AHEAD.total_seconds() / 4, f"this machine is too slow: the labels were written {left_s:.1f} s ahead"
    await asyncio.sleep(left_s)

    def all_begun() -> bool:
        heard = [listener.first(name, 0) for name in names]
        return all(one is not None and one.id in listener.results for one in heard)

    await until(all_begun, "all runs have begun", 120)
    found = [one for name in names for one in listener.commands[name]]
    assert len(found) == len(names), f"{len(found)} runs of {len(names)} jobs"
    results = [listener.results[one.id] for one in found]
    assert all(result["status"] == "succeeded" for result in results), results[0]
    ended = [datetime.fromisoformat(result["finished_at"]) for result in results]
    return Late([one.wall_s - due.timestamp() for one in found], [(at - due).total_seconds() for at in ended])


def _groups(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def _some_time() -> str:
    """Once a day, six to eighteen hours from now."""
    at = datetime.now(UTC) + timedelta(seconds=random.uniform(6, 18) * 3600)
    return f"{at.second} {at.minute} {at.hour} * * *"
