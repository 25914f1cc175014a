"""The bucket of all states: one value per object, written by the active poller only, read by anyone.

A key-value bucket of NATS, so `nats kv get` and `nats kv watch` work on it; written with a Journal, so a poller that
was followed by another one cannot spoil it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.bus.journal import Journal, Outgoing
from services.bus.reading import read_stream
from services.bus.streams import bucket_stream, bucket_subject

if TYPE_CHECKING:
    from services.bus.connection import Bus

OPERATION: Final = "KV-Operation"
DELETED_FOR_S: Final = 900  # how long a deletion is kept for watchers: where tasks come and go they are many


@dataclass(frozen=True, slots=True)
class BucketValue:
    """What a key has; `revision` is its sequence in the bucket's stream."""

    body: bytes
    headers: dict[str, str]
    revision: int


class StateBucket:
    """`open` it at take-over, then `load`, then write: what anyone else writes in between is noticed."""

    def __init__(self, bus: "Bus", bucket: str, journal: Journal) -> None:
        self._bus = bus
        self._bucket = bucket
        self._journal = journal

    @classmethod
    async def open(cls, bus: "Bus") -> "StateBucket":
        """Raises what Journal.open does."""
        bucket = bus.subjects.state_bucket
        return cls(bus, bucket, await Journal.open(bus, bucket_stream(bucket)))

    async def load(self) -> dict[str, BucketValue]:
        """All keys that have a value. Raises what read_stream does."""
        return await load_bucket(self._bus, self._bucket)

    async def write(self, puts: Mapping[str, tuple[bytes, Mapping[str, str]]], deletes: Iterable[str] = ()) -> int:
        """Put each key's body and headers, then delete keys; returns the bucket's last sequence.

        Raises what Journal.write does. All or a first part of it is done.
        """
        gone = {OPERATION: "DEL", "Nats-TTL": str(DELETED_FOR_S)}
        messages = [Outgoing(self._subject(key), body, headers) for key, (body, headers) in puts.items()]
        messages += [Outgoing(self._subject(key), b"", gone) for key in deletes]
        return await self._journal.write(messages)

    def _subject(self, key: str) -> str:
        return bucket_subject(self._bucket, key)


async def load_bucket(bus: "Bus", bucket: str) -> dict[str, BucketValue]:
    """All keys of a bucket that have a value."""
    values: dict[str, BucketValue] = {}
    start = len(bucket_subject(bucket, ""))
    async for stored in read_stream(bus, bucket_stream(bucket)):
        key = stored.subject[start:]
        if OPERATION in stored.headers or "Nats-Marker-Reason" in stored.headers:
            values.pop(key, None)
        else:
            values[key] = BucketValue(stored.body, stored.headers, stored.sequence)
    return values
