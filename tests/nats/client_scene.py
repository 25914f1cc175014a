"""What stands in for the poller and the scheduler in tests of the SDK: a few functions on a Bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from funswarm.changes import Changed, Item, SnapshotEnd
from funswarm.commands import COMMANDS, Command
from funswarm.messages import MSG_ID_HEADER, Event, PartHealth, Result
from funswarm.state import AnyState, event_names
from services.bus.connection import Bus
from tests.builders import CLUSTER, OBSERVED_AT
from tests.waiting import PATIENCE_S

EVENT_SEQUENCE_HEADER = "Funswarm-Event-Sequence"


def an_event(before: AnyState | None, after: AnyState | None, action: str = "updated") -> Event:
    state = after or before
    assert state is not None
    return Event(
        id=f"{state.kind}/{state.id}@{state.version}/{action}.{state.revision}", time=state.updated_at,
        observed_at=OBSERVED_AT, cluster=CLUSTER, kind=state.kind, action=action, name=state.name, object_id=state.id,
        version=state.version, before=before, after=after,
    )  # fmt: skip


def a_changed(before: AnyState | None, after: AnyState | None, action: str = "updated", sequence: int = 2) -> Changed:
    """As the feed gives an event."""
    event = an_event(before, after, action)
    return Changed(sequence, event.kind, event.action, event.model_dump_json().encode())


async def publish_event(bus: Bus, before: AnyState | None, after: AnyState | None, action: str = "updated") -> int:
    """Its sequence."""
    event = an_event(before, after, action)
    state = after or before
    assert state is not None
    subject = bus.subjects.event(event.kind, event.action, *event_names(state))
    headers = {MSG_ID_HEADER: event.id}
    return await bus.publish(subject, event.model_dump_json().encode(), headers, bus.subjects.events_stream)


async def publish_state(bus: Bus, state: AnyState, sequence: int, *, gone: bool = False) -> None:
    """What the bucket has of an object after the event `sequence`."""
    headers = {MSG_ID_HEADER: f"{state.id}#{sequence}", EVENT_SEQUENCE_HEADER: str(sequence)}
    body = b"" if gone else state.model_dump_json().encode()
    extra = {"KV-Operation": "DEL"} if gone else {}
    stream = f"KV_{bus.subjects.state_bucket}"
    await bus.publish(bus.subjects.state(state.kind, state.id), body, headers | extra, stream)


async def publish_both(bus: Bus, before: AnyState | None, after: AnyState, action: str = "updated") -> int:
    sequence = await publish_event(bus, before, after, action)
    await publish_state(bus, after, sequence)
    return sequence


def a_result(command: Command, **others) -> Result:
    values = {"status": "succeeded", "changed": True, "digest": command.digest, "finished_at": datetime.now(UTC)}
    return Result(command_id=command.id, verb=command.verb, target=command.target, **values | others)


async def publish_result(bus: Bus, result: Result) -> None:
    subject, stream = bus.subjects.result(result.command_id), bus.subjects.results_stream
    await bus.publish(subject, result.model_dump_json().encode(), {MSG_ID_HEADER: result.command_id}, stream)


@asynccontextmanager
async def scheduling(bus: Bus) -> AsyncIterator[list[Command]]:
    """Every command succeeds at once; the list has those that were done."""
    done: list[Command] = []
    deliveries = await bus.consume_commands()

    async def work() -> None:
        async for delivery in deliveries:
            command = COMMANDS.validate_json(delivery.body)
            done.append(command)
            await publish_result(bus, a_result(command))
            await delivery.ack()

    working = asyncio.create_task(work())
    try:
        yield done
    finally:
        await deliveries.close()
        working.cancel()
        await asyncio.wait({working})


def a_part(part: str, instance: str = "1", **others) -> PartHealth:
    values = {"part": part, "instance": instance, "version": "1", "started_at": OBSERVED_AT, "active": True, "ok": True}
    return PartHealth(**values | others)


async def answer_health(bus: Bus, part: PartHealth) -> None:
    async def answer(_: bytes) -> bytes:
        return part.model_dump_json().encode()

    await bus.answer_all(bus.subjects.part_health, answer)


async def snapshot_of(feed: AsyncIterator[Item]) -> tuple[list[str], int]:
    """The names of the objects, and the sequence after which the events follow."""
    names: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for item in feed:
            if isinstance(item, SnapshotEnd):
                return names, item.sequence
            if (state := getattr(item, "state", None)) is not None:
                names.append(state.name)
    raise AssertionError("the feed ended")


async def next_change(feed: AsyncIterator[Item]) -> Changed:
    async with asyncio.timeout(PATIENCE_S):
        item = await anext(feed)
    assert isinstance(item, Changed), item
    return item
