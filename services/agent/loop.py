"""Reads what the node's tasks use, again and again, and tells it. I/O: the engine, NATS. Nothing is kept."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

from funswarm.errors import FunswarmError
from services.agent.rates import usage_of
from services.bus.connection import Bus
from services.bus.gauges import tell_usage
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.engine.usage import Counters
from services.runtime import until_one_ends

log = structlog.get_logger(__name__)


async def run_agent(
    nats: NatsSettings, engine: EngineSettings, instance: str, stop: asyncio.Event, interval_s: float
) -> None:
    """Work until `stop` is set.

    Raises:
        FunswarmError: NATS or the engine is not there in time, or refuses; or NATS closed the connection for good.
    """
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(nats, f"funswarm-agent {instance}")
        stack.push_async_callback(bus.close)
        there = await Engine.connect(engine)
        stack.push_async_callback(there.close)
        await until_one_ends(tell(bus, there, interval_s), bus.watch(), stop.wait())


async def tell(bus: Bus, engine: Engine, interval_s: float) -> None:
    """Until cancelled; a round that fails is left out."""
    node_id = ""
    before: Mapping[str, Counters] = {}
    while True:
        try:
            node_id = node_id or (await engine.info()).node_id
            now = await engine.usage()
            if node_id:
                await tell_usage(bus, node_id, usage_of(before, now))
            before = now
        except FunswarmError as error:
            log.warning("what tasks use is told later", reason=str(error))
        await asyncio.sleep(interval_s)
