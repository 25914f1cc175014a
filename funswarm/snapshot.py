"""What there is, as of one event: what a reader of changes begins with. I/O by `reading`.

A snapshot is the fold of all events up to one sequence: the state bucket, whose values name in a header the event that
they reflect, and on top of it the events after the highest of these (the bucket follows behind the events).
"""

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError

from funswarm.errors import Failed
from funswarm.jetstream import Stored, bounds
from funswarm.link import Link
from funswarm.messages import Event
from funswarm.reading import read_stored
from funswarm.selection import Selection
from funswarm.state import KINDS, STATES, AnyState
from funswarm.subjects import Subjects, token

EVENT_SEQUENCE_HEADER: Final = "Funswarm-Event-Sequence"

_States = dict[tuple[str, str], AnyState]  # by kind and the id as a token


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The wanted objects, by kind and name, after the event `sequence` of the stream that was made at `created`."""

    states: tuple[AnyState, ...]
    sequence: int
    created: str


async def read_snapshot(link: Link, subjects: Subjects, selection: Selection) -> Snapshot:
    """
    Raises:
        Unavailable: NATS or a stream is not there.
        PermanentError: NATS does not permit it.
        Failed: something is not understood.
    """
    states, reflected = await _bucket(link, subjects, selection.kinds)
    events = await bounds(link, subjects.events_stream)
    if events.last > reflected:
        filters = replace(selection, actions=frozenset()).filters(subjects)
        await _fold(link, subjects, filters, states, range(reflected + 1, events.last + 1))
    wanted = [state for state in states.values() if selection.takes_state(state)]
    wanted.sort(key=lambda state: (KINDS.index(state.kind), state.name, state.id))
    return Snapshot(tuple(wanted), events.last, events.created)


async def _bucket(link: Link, subjects: Subjects, kinds: frozenset[str]) -> tuple[_States, int]:
    """The states in the bucket of these kinds (none: of all), and the highest event that any reflects."""
    states: _States = {}
    reflected = 0
    bucket = f"KV_{subjects.state_bucket}"
    async with aclosing(read_stored(link, bucket, {"deliver_policy": "last_per_subject"}, [">"])) as values:
        async for value in values:
            reflected = max(reflected, int(value.headers.get(EVENT_SEQUENCE_HEADER, 0)))
            kind, key = value.subject.split(".")[-2:]
            states.pop((kind, key), None)
            if value.body and kind in (kinds or KINDS):  # without a body: a marker of deletion
                states[kind, key] = _state(value)
    return states, reflected


async def _fold(link: Link, subjects: Subjects, filters: list[str], states: _States, sequences: range) -> None:
    """Apply the events of these sequences to `states`."""
    deliver = {"deliver_policy": "by_start_sequence", "opt_start_seq": sequences.start}
    async with aclosing(read_stored(link, subjects.events_stream, deliver, filters)) as messages:
        async for message in messages:
            if message.sequence not in sequences:
                break
            if subjects.parts_of_event(message.subject)[0] not in KINDS:  # a newer poller may tell of more
                continue
            event = understood_event(message.sequence, message.body)
            key = (event.kind, token(event.object_id))
            states.pop(key, None)
            if event.after is not None:
                states[key] = event.after


def understood_event(sequence: int, body: bytes) -> Event:
    """
    Raises:
        Failed: it is of another version.
    """
    try:
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise Failed(f"event {sequence} is not understood: is the poller of another version?") from error


def _state(value: Stored) -> AnyState:
    try:
        return STATES.validate_json(value.body)
    except ValidationError as error:
        raise Failed(f"the state in {value.subject} is not understood: is the poller of another version?") from error
