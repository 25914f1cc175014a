"""`python -m services.agent`: wiring only."""

import asyncio
import os

from services.agent.loop import run_agent
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.runtime import instance, run
from services.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Tell what tasks use until `stop` is set."""
    engine = EngineSettings.from_environment(os.environ)
    await run_agent(NatsSettings.of(settings), engine, instance(), stop, settings.usage_interval_s)


if __name__ == "__main__":
    run("agent", main)
