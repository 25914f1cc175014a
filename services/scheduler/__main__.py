"""`python -m services.scheduler`: wiring only."""

import asyncio
import gc
import os
from importlib.metadata import version
from typing import Final

from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.runtime import instance, run
from services.scheduler.loop import run_scheduler
from services.scheduler.settings import SchedulerSettings
from services.settings import Settings

# There are few cycles that nobody uses any more here, and to look for them among ten thousand services takes 0.2 s,
# in which no command is done. By Python's own figures (700, 10, 10) that came to pass about once a minute under load.
COLLECT_AFTER: Final = (10_000, 20, 10)


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Apply commands until `stop` is set."""
    await run_scheduler(
        NatsSettings.of(settings),
        EngineSettings.from_environment(os.environ),
        SchedulerSettings.of(settings, instance(), version("funswarm")),
        stop,
    )


if __name__ == "__main__":
    gc.set_threshold(*COLLECT_AFTER)
    run("scheduler", main)
