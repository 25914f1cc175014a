"""A copy without an engine leaves its lease to one that has one; nobody leaves where nobody is better off."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from funswarm.messages import PartHealth
from services.engine.settings import EngineSettings
from services.scheduler.loop import run_scheduler
from services.scheduler.settings import SchedulerSettings
from tests.pollers import World, world
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
async def swarm(shared_nats: NatsServer):
    async with world(shared_nats.url) as one:
        yield one


class Doors:
    """Ways to the one engine, each of which can be shut: connections that are open are closed, too."""

    def __init__(self, swarm: World, folder: Path, monkeypatch) -> None:
        self.swarm, self._folder = swarm, folder
        for name, seconds in (("bus.handover.AWAY_S", 1.0), ("bus.handover.LOOK_INTERVAL_S", 0.2)):
            monkeypatch.setattr(f"services.{name}", seconds)
        for name in ("poller.loop.LOOK_S", "scheduler.loop.ENGINE_CHECK_S"):
            monkeypatch.setattr(f"services.{name}", 0.2)

    def open(self, name: str) -> EngineSettings:
        path = self._folder / name
        path.symlink_to(self.swarm.simulator.host.removeprefix("unix://"))
        return replace(self.swarm.engine_settings, host=f"unix://{path}")

    async def shut(self, *names: str) -> None:
        for name in names:
            (self._folder / name).unlink()
        await self.swarm.simulator.restart(0.1)

    async def both(self) -> list[PartHealth]:
        """What both say of themselves; nothing, where one does not."""
        said = await self.swarm.health(2)
        return said if len(said) == 2 else []

    async def says(self, name: str, *, active: bool, ok: bool) -> None:
        async def it_does() -> bool:
            said = {one.instance: one for one in await self.swarm.health(2)}
            return name in said and (said[name].active, said[name].ok) == (active, ok)

        await until(it_does, f"{name} to be active={active}, ok={ok}")


@pytest.fixture
def doors(swarm: World, tmp_path, monkeypatch) -> Doors:
    return Doors(swarm, tmp_path, monkeypatch)


async def test_a_poller_without_an_engine_leaves_to_one_that_has_one(swarm: World, doors: Doors):
    async with swarm.poller(instance="first", engine=doors.open("a")):
        await doors.says("first", active=True, ok=True)
        async with swarm.poller(instance="second", engine=doors.open("b")):
            await doors.says("second", active=False, ok=True)
            await doors.shut("a")
            await doors.says("second", active=True, ok=True)
            await doors.says("first", active=False, ok=False)
            await swarm.create("web", replicas=1)
            await swarm.seen("service", "web", "created")
            await swarm.right()


async def test_pollers_that_all_have_no_engine_stay_as_they_are(swarm: World, doors: Doors):
    async with swarm.poller(instance="first", engine=doors.open("a")):
        await doors.says("first", active=True, ok=True)
        async with swarm.poller(instance="second", engine=doors.open("b")):
            await doors.says("second", active=False, ok=True)
            await doors.shut("a", "b")
            await doors.says("second", active=False, ok=False)
            await doors.says("first", active=True, ok=False)
            for _ in range(10):  # twice as long as it takes to leave
                await asyncio.sleep(0.2)
                said = await until(doors.both, "both")
                assert ["first"] == [one.instance for one in said if one.active]

            doors.open("b")
            await doors.says("second", active=True, ok=True)


async def test_a_scheduler_without_an_engine_leaves_to_one_that_has_one(swarm: World, doors: Doors):
    stop = asyncio.Event()

    def scheduler(name: str, door: str) -> asyncio.Task[None]:
        settings = SchedulerSettings(instance=name, version="0")
        return asyncio.create_task(run_scheduler(swarm.nats, doors.open(door), settings, stop))

    tasks = {scheduler("first", "a")}
    await doors.says("first", active=True, ok=True)
    tasks.add(scheduler("second", "b"))
    await doors.says("second", active=False, ok=True)
    await doors.shut("a")
    await doors.says("second", active=True, ok=True)
    await doors.says("first", active=False, ok=False)
    stop.set()
    await asyncio.gather(*tasks)


async def test_where_the_engine_joins_another_swarm_events_name_that_one(swarm: World, doors: Doors):
    async with swarm.poller():
        await swarm.active()
        swarm.cluster.id = "another"

        async def taken_over_again() -> bool:
            (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)
            return b'funswarm_poller_takeovers_total{instance="poller-1"} 2.0' in metrics

        await until(taken_over_again, "a new session")
        await swarm.create("web", replicas=0)

        assert "another" == (await swarm.seen("service", "web", "created")).cluster
