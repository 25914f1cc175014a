"""Is the feed right? Folds the whole EVENTS stream and compares it with itself, with the bucket and with the engine.

To be asked when the engine is at rest and the poller has nothing left to say. Reads NATS and the engine.
"""

from collections.abc import Iterable, Mapping

from funswarm.messages import Event
from funswarm.state import STATES, AnyState
from services.bus.connection import Bus
from services.bus.reading import read_stream
from services.bus.state import load_bucket
from services.engine.client import Engine

Key = tuple[str, str]
NO_FACTS = {"revision": 0, "condition": None, "drained": False}


async def events_of(bus: Bus) -> list[Event]:
    """All events that the stream has."""
    stream = read_stream(bus, bus.subjects.events_stream)
    return [Event.model_validate_json(stored.body) async for stored in stream]


async def bucket_of(bus: Bus) -> dict[Key, AnyState]:
    """All states that the bucket has."""
    values = await load_bucket(bus, bus.subjects.state_bucket)
    states = [STATES.validate_json(value.body) for value in values.values()]
    return {(state.kind, state.id): state for state in states}


async def engine_of(engine: Engine, kinds: Iterable[str] = ("service", "task", "node")) -> dict[Key, AnyState]:
    """All objects that the engine has."""
    return {(kind, state.id): state for kind in kinds for state in await engine.list(kind)}


def fold(events: Iterable[Event]) -> tuple[dict[Key, AnyState], list[str]]:
    """The states after all events, and what is wrong with their chains."""
    states: dict[Key, AnyState] = {}
    gone: set[Key] = set()
    ids: set[str] = set()
    problems: list[str] = []
    for number, event in enumerate(events, 1):
        key, where = (event.kind, event.object_id), f"event {number}, {event.id} ({event.action} {event.name})"
        if event.id in ids:
            problems.append(f"{where}: twice")
        ids.add(event.id)
        if key in gone:
            problems.append(f"{where}: comes after the removal")
        before = states.get(key)
        if event.before != before and not event.cut:
            problems.append(f"{where}: before is not what the last event left")
        if event.after is None:
            gone.add(key)
            states.pop(key, None)
            continue
        if event.after.revision != (before.revision + 1 if before else 0):
            problems.append(f"{where}: revision {event.after.revision} after {before and before.revision}")
        if before is not None and event.after.version < before.version:
            problems.append(f"{where}: the version goes back")
        states[key] = event.after
    return states, problems


def differences(one: Mapping[Key, AnyState], other: Mapping[Key, AnyState], names: str) -> list[str]:
    """Where two sets of states differ in their facts."""
    problems = [f"{names}: only one has {key}" for key in one.keys() ^ other.keys()]
    for key in one.keys() & other.keys():
        left, right = one[key].__dict__ | NO_FACTS, other[key].__dict__ | NO_FACTS
        fields = [name for name in left if left[name] != right[name]]
        if fields:
            problems.append(f"{names}: {key} differs in {fields}: {left[fields[0]]!r}, {right[fields[0]]!r}")
    return problems


async def problems_of(bus: Bus, engine: Engine | None = None) -> list[str]:
    """All that is wrong; an empty list: the feed is right."""
    folded, problems = fold(await events_of(bus))
    bucket = await bucket_of(bus)
    problems += [f"bucket: {key} is not as folded" for key in folded.keys() | bucket.keys()
                 if folded.get(key) != bucket.get(key)]  # fmt: skip
    if engine is not None:
        observed = {key: state for key, state in folded.items() if key[0] in ("service", "task", "node")}
        problems += differences(observed, await engine_of(engine), "events and engine")
    return problems
