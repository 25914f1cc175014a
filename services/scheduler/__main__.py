"""`python -m services.scheduler`: wiring only."""

import asyncio
import os
from importlib.metadata import version

from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.runtime import instance, run
from services.scheduler.loop import run_scheduler
from services.scheduler.settings import SchedulerSettings
from services.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Apply commands until `stop` is set."""
    await run_scheduler(
        NatsSettings.of(settings),
        EngineSettings.from_environment(os.environ),
        SchedulerSettings.of(settings, instance(), version("funswarm")),
        stop,
    )


if __name__ == "__main__":
    run("scheduler", main)
