"""The labels that an event is filtered by: of its object, and of a task those of its service. I/O by the bus."""

import json
from typing import Any

from services.bus.connection import Bus
from services.bus.streams import bucket_stream


async def labels_of(bus: Bus, kind: str, body: bytes) -> dict[str, str]:
    """None of a task whose service nobody remembers.

    Raises:
        Unavailable, PermanentError: NATS does not say.
    """
    state = _state(json.loads(body))
    return await _of_service(bus, state) if kind == "task" else _labels(state)


async def _of_service(bus: Bus, task: dict[str, Any]) -> dict[str, str]:
    """As the bucket has the service now; else as the last event of it says, for it is new there, or gone."""
    service_id, subjects = task["service_id"], bus.subjects
    kept = await bus.last(bucket_stream(subjects.state_bucket), subjects.state("service", service_id))
    if kept:
        return _labels(json.loads(kept))
    found = [
        await bus.newest(subjects.events_stream, subjects.event("service", action, task["service_name"]))
        for action in ("created", "updated", "removed")
    ]
    events = [(one.sequence, json.loads(one.body)) for one in found if one is not None]
    of_it = [(sequence, _state(event)) for sequence, event in events if event["object_id"] == service_id]
    return _labels(max(of_it, key=lambda one: one[0])[1]) if of_it else {}


def _state(event: dict[str, Any]) -> dict[str, Any]:
    return event.get("after") or event.get("before") or {}


def _labels(state: dict[str, Any]) -> dict[str, str]:
    return dict(state.get("labels") or {})
