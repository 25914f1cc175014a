"""A poller against a simulated engine and a real nats-server, in one call, for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from funswarm.errors import Unavailable, VersionConflict
from funswarm.messages import Event, PartHealth
from funswarm.state import ConditionStatus, ServiceState
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.simulator.cluster import Cluster
from services.simulator.server import Simulator, serve
from tests.checker import bucket_of, events_of, problems_of
from tests.waiting import PATIENCE_S, until

_numbers = count()
POLLER = PollerSettings(instance="poller-1", version="0", interval_min_s=0.5, list_share=0.2)


@dataclass
class World:
    """A Swarm, a NATS, and the names under which they meet; `engine` is for the tests' own questions and writes."""

    simulator: Simulator
    cluster: Cluster
    engine: Engine
    bus: Bus
    nats: NatsSettings
    engine_settings: EngineSettings
    poller_nats: NatsSettings | None = None  # the poller's own, where they differ

    @asynccontextmanager
    async def poller(
        self, settings: PollerSettings = POLLER, engine: EngineSettings | None = None, **others
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A poller that is stopped cleanly at the end; the task is what to cancel to have it sooner."""
        stop = asyncio.Event()
        nats, engine = self.poller_nats or self.nats, engine or self.engine_settings
        task = asyncio.create_task(run_poller(nats, engine, replace(settings, **others), stop))
        try:
            yield task
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await task

    async def create(self, name: str, replicas: int = 2, **spec) -> str:
        """A service; its id."""
        mode = {"Replicated": {"Replicas": replicas}}
        template = {"ContainerSpec": {"Image": "busybox:1"}}
        return (await self.engine.create_service({"Name": name, "TaskTemplate": template, "Mode": mode} | spec))[0]

    async def change(self, service_id: str, **spec) -> None:
        """Fields of its spec; again where Swarm itself wrote in between."""
        while True:
            raw = await self.engine.service_json(service_id)
            assert raw is not None
            with suppress(VersionConflict):
                await self.engine.update_service(service_id, raw["Version"]["Index"], raw["Spec"] | spec)
                return

    async def scale(self, service_id: str, replicas: int) -> None:
        await self.change(service_id, Mode={"Replicated": {"Replicas": replicas}})

    async def events(self, kind: str = "", name: str = "") -> list[Event]:
        """The events so far, of a kind and name."""
        return [event for event in await events_of(self.bus) if event.kind.startswith(kind) and name in event.name]

    async def actions(self, kind: str, name: str) -> list[str]:
        return [event.action for event in await self.events(kind, name)]

    async def seen(self, kind: str, name: str, action: str, timeout_s: float = PATIENCE_S) -> Event:
        """Waits for the first such event."""

        async def found() -> Event | None:
            try:
                events = await self.events(kind, name)
            except Unavailable:  # NATS is away, as the test wants it
                return None
            return next((event for event in events if event.action == action), None)

        event = await until(found, f"{kind} {name} {action}", timeout_s)
        assert event is not None
        return event

    async def settled(self, name: str) -> None:
        """Waits until the bucket has the service as converged (its `created` may say so already)."""

        async def converged() -> bool:
            states = (await bucket_of(self.bus)).values()
            services = [state for state in states if isinstance(state, ServiceState) and state.name == name]
            return bool(services) and services[0].condition.status is ConditionStatus.CONVERGED

        await until(converged, f"service {name} to converge")

    async def right(self, timeout_s: float = PATIENCE_S) -> None:
        """Waits until fold, bucket and engine agree."""
        last: list[str] = []

        async def agreed() -> bool:
            try:
                last[:] = await problems_of(self.bus, self.engine)
            except Unavailable as error:
                last[:] = [str(error)]
            return not last

        try:
            await until(agreed, "the feed to be right", timeout_s, every_s=0.1)
        except AssertionError as error:
            raise AssertionError("\n".join(last[:20])) from error

    async def health(self, count: int = 1) -> list[PartHealth]:
        """What `count` pollers say of themselves."""
        answers = await self.bus.gather(self.bus.subjects.part_health, b"", 2.0, lambda all_: len(all_) >= count)
        return [PartHealth.model_validate_json(answer) for answer in answers]

    async def said(self, words: str) -> str:
        """Waits until the poller's health says this; the whole reason."""

        async def reason() -> str:
            return next((one.reason or "" for one in await self.health() if words in (one.reason or "")), "")

        return await until(reason, f"the health to say {words!r}")

    async def well(self) -> None:
        """Waits until the poller is well."""

        async def is_well() -> bool:
            return all(one.ok for one in await self.health())

        await until(is_well, "the poller to be well")

    async def active(self) -> PartHealth:
        """Waits until one is active and has listed all."""

        async def found() -> PartHealth | None:
            return next((one for one in await self.health() if one.active and one.data_age_s is not None), None)

        found_one = await until(found, "an active poller")
        assert found_one is not None
        return found_one


@asynccontextmanager
async def world(nats_url: str, cluster: Cluster | None = None, **nats) -> AsyncIterator[World]:
    """A simulated Swarm of three nodes, and names of its own on a NATS that others may use too."""
    cluster = cluster or Cluster()
    settings = NatsSettings(**{"url": nats_url, "prefix": f"test{next(_numbers)}"} | nats)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "docker.sock"
        async with serve(cluster, str(path)) as simulator:
            engine_settings = EngineSettings(host=simulator.host, timeout_s=5, list_timeout_s=5)
            engine = await Engine.connect(engine_settings)
            bus = await Bus.connect(settings, "test")
            try:
                await bus.declare()
                yield World(simulator, cluster, engine, bus, settings, engine_settings)
            finally:
                await bus.close()
                await engine.close()
