"""`python -m services.poller`: wiring only."""

import asyncio
import os
import sys
from importlib.metadata import version
from typing import Final

from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.runtime import instance, run
from services.settings import Settings

# While a long list is decoded in its thread, each turn of the event loop waits so long for the interpreter's lock: with
# Python's 5 ms a change would come tens of milliseconds late. Costs some percent of the decoding.
SWITCH_INTERVAL_S: Final = 0.0005


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Watch until `stop` is set."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    await run_poller(
        NatsSettings.of(settings),
        EngineSettings.from_environment(os.environ),
        PollerSettings.of(settings, instance(), version("funswarm")),
        stop,
    )


if __name__ == "__main__":
    run("poller", main)
