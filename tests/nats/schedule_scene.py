"""A simulated Swarm with a nats-server of its own and a bus beside it, and what tests of schedules ask of them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from funswarm.client import Client
from funswarm.messages import Result
from funswarm.schedules import Schedule
from funswarm.subjects import Subjects
from services.bus.connection import Bus
from services.bus.jetstream import ApiError, call
from services.bus.settings import NatsSettings
from services.bus.streams import SCHEDULES_CONSUMER
from tests.nats.scheduler_scene import Scene, scene
from tests.waiting import until

SUBJECTS = Subjects()


@asynccontextmanager
async def with_bus() -> AsyncIterator[tuple[Scene, Bus]]:
    async with scene() as made:
        bus = await Bus.connect(NatsSettings(url=made.nats.url), "test")
        try:
            yield made, bus
        finally:
            await bus.close()


def schedule(name: str = "nightly", **when) -> Schedule:
    if not when:
        when = {"at": "+1s"}
    return Schedule.model_validate({"name": name, "command": {"verb": "scale", "target": "web", "replicas": 2}, **when})


async def fired(bus: Bus, name: str = "nightly") -> list[datetime]:
    """When each command that was made of the schedule's firings, and has ended, was due."""
    subjects = await bus.subjects_in(SUBJECTS.results_stream, 10_000) or []
    ids = [re.fullmatch(rf"{name}-(\w+Z)", subject.rpartition(".")[2]) for subject in subjects]
    return sorted(datetime.strptime(found[1], "%Y%m%dT%H%M%S%z") for found in ids if found)


async def result_of(client: Client, name: str, due: datetime) -> Result:
    async def ended() -> Result | None:
        return await client.result(f"{name}-{due:%Y%m%dT%H%M%SZ}")

    found = await until(ended, "the result", every_s=0.05)
    assert found is not None
    return found


async def gone(client: Client, name: str) -> bool:
    return name not in {one.schedule.name for one in await client.schedules()}


async def nothing_underway(bus: Bus) -> bool:
    """Whether all that has fired is a command, and all commands have ended."""
    try:
        consumer = await call(bus.link, f"CONSUMER.INFO.{SUBJECTS.schedules_stream}.{SCHEDULES_CONSUMER}")
    except ApiError:  # it is just being made anew
        return False
    if consumer["num_pending"] or consumer["num_ack_pending"]:
        return False
    return not await bus.subjects_in(SUBJECTS.commands_stream, 10_000)


async def start_again(swarm: Scene, bus: Bus) -> None:
    await swarm.nats.start()
    await until(lambda: bus.connected, "the connection")


async def fired_after(bus: Bus, moment: datetime) -> bool:
    return any(time > moment for time in await fired(bus))


async def until_armed(bus: Bus) -> None:
    stream, alarm = SUBJECTS.schedules_stream, SUBJECTS.alarm("nightly")
    await until(lambda: bus.newest(stream, alarm), "the alarm", every_s=0.05)


async def until_more(bus: Bus) -> None:
    """Until three more have ended."""
    before = len(await fired(bus))

    async def more() -> bool:
        return len(await fired(bus)) > before + 2

    await until(more, "firings", every_s=0.05)
