"""Our poller and scheduler at the engine under test, following cron jobs only: an engine may be used by others, too."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from funswarm.client import Client
from funswarm.cronruns import CronOutcome, CronRun
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.scheduler.loop import run_scheduler
from services.scheduler.policies.cron import Cron
from services.scheduler.settings import SchedulerSettings
from tests.engine.conftest import PATIENCE_S
from tests.nats.scheduler_scene import NatsServer
from tests.waiting import until


@pytest.fixture
async def funswarm(host, tmp_path, monkeypatch) -> AsyncIterator[Client]:
    """A poller and a scheduler at the engine under test, with a nats-server of their own."""
    monkeypatch.setattr("services.scheduler.policies.start.policies", lambda *_: (Cron(),))
    nats = NatsServer(tmp_path / "nats")
    await nats.start()
    settings, engine = NatsSettings(url=nats.url), EngineSettings(host=host)
    try:
        bus = await Bus.connect(settings, "tests")
        await bus.declare()
        await bus.close()
        stop = asyncio.Event()
        poller = run_poller(settings, engine, PollerSettings("poller", "1"), stop)
        scheduler = run_scheduler(settings, engine, SchedulerSettings("scheduler", "1"), stop)
        working = [asyncio.create_task(part) for part in (poller, scheduler)]
        async with Client(nats.url) as client:
            yield client
        stop.set()
        await asyncio.wait(working, timeout=PATIENCE_S)
    finally:
        await nats.kill()


async def runs(client: Client, service: str, outcome: CronOutcome, count: int = 1) -> list[CronRun]:
    async def enough() -> list[CronRun]:
        found = [run for run in await client.cron_history(service) if run.outcome is outcome]
        return found if len(found) >= count else []

    return await until(enough, f"{count} runs of {service}: {outcome}", timeout_s=PATIENCE_S, every_s=0.3) or []
