"""`python -m services.notifier`: wiring only."""

import asyncio
from importlib.metadata import version

from services.bus.settings import NatsSettings
from services.notifier.loop import run_notifier
from services.notifier.settings import NotifierSettings
from services.runtime import instance, run
from services.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Notify until `stop` is set."""
    await run_notifier(NatsSettings.of(settings), NotifierSettings.of(settings, instance(), version("funswarm")), stop)


if __name__ == "__main__":
    run("notifier", main)
