"""`python -m services.notifier.docker_flow`: a notifier for Docker Flow's receivers alone. Wiring only."""

import asyncio
import os
from dataclasses import replace
from importlib.metadata import version

from services.bus.settings import NatsSettings
from services.notifier.docker_flow.settings import DockerFlowSettings, read_secrets
from services.notifier.loop import run_notifier
from services.notifier.settings import NotifierSettings
from services.runtime import instance, run
from services.settings import Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Notify until `stop` is set."""
    wanted = settings.model_copy(update={"docker_flow": True})
    docker_flow = DockerFlowSettings.of(wanted, os.environ, read_secrets())
    notifier = NotifierSettings.of(settings, instance(), version("funswarm"), docker_flow)
    await run_notifier(NatsSettings.of(settings), replace(notifier, webhooks=False), stop)


if __name__ == "__main__":
    run("notifier", main)
