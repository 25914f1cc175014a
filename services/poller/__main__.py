"""`python -m services.poller`: wiring only."""

import asyncio
import os
from importlib.metadata import version

from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.runtime import instance, run
from services.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Watch until `stop` is set."""
    await run_poller(
        NatsSettings.of(settings),
        EngineSettings.from_environment(os.environ),
        PollerSettings.of(settings, instance(), version("funswarm")),
        stop,
    )


if __name__ == "__main__":
    run("poller", main)
