"""What subscribers know, at take-over: the bucket's values, then the events after the last one that they stand for.

Reads NATS. The bucket follows the events in their order: it has every event up to the highest that any value names.
"""

from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import ValidationError

from funswarm.messages import Event
from funswarm.state import STATES
from services.bus.connection import Bus
from services.bus.reading import read_stream
from services.bus.state import OPERATION
from services.bus.streams import bucket_stream
from services.poller.known import Key, Known

SEQUENCE_HEADER: Final = "Funswarm-Event-Sequence"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Restored:
    """`behind`: the keys whose value in the bucket is yet to be written, with the sequence of their last event."""

    known: Known
    behind: dict[Key, int]


async def restore(bus: Bus, last: int) -> Restored:
    """The fold of all events up to `last`, the sequence at which the journal of the events was opened.

    Raises:
        Unavailable, PermanentError: NATS cannot be read.
    """
    known = Known()
    highest = await _from_bucket(bus, known)
    behind: dict[Key, int] = {}
    if highest > last:  # the stream is another one than the bucket followed: all of it is news
        _log.warning("the events were begun anew: the bucket knows later ones", bucket=highest, events=last)
        behind = dict.fromkeys(known.keys(), last)
        highest = 0
    async for stored in read_stream(bus, bus.subjects.events_stream, highest + 1):
        try:
            event = Event.model_validate_json(stored.body)
        except ValidationError as error:
            _log.error("an event cannot be read: left out", sequence=stored.sequence, reason=str(error)[:500])
            continue
        known.apply(event)
        key = (event.kind, event.object_id)
        behind.pop(key, None)
        behind[key] = stored.sequence
    _log.info("restored from NATS", objects=len(known), events_after_bucket=len(behind))
    return Restored(known, behind)


async def _from_bucket(bus: Bus, known: Known) -> int:
    """Fill `known` with the bucket's values; the highest sequence of an event that they name, 0 for none."""
    highest = 0
    async for stored in read_stream(bus, bucket_stream(bus.subjects.state_bucket)):
        if OPERATION in stored.headers or not stored.body:
            continue
        try:
            known.put(STATES.validate_json(stored.body))
            highest = max(highest, int(stored.headers.get(SEQUENCE_HEADER, "0")))
        except ValueError as error:
            _log.error("a state cannot be read: left out", subject=stored.subject, reason=str(error)[:500])
    return highest
