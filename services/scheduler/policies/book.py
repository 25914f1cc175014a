"""The records of all services as this copy knows them, and how the commands in them ended. I/O: the bucket.

A record is written only over the one that this copy read or wrote last: `keep` says where another copy came first.
"""

from pydantic import ValidationError

from funswarm.messages import Result
from services.bus.policies import PolicyBucket
from services.scheduler.policies.record import Record

RESULTS_SPARE: int = 100


class Book:
    """`load` it first. All I/O raises Unavailable while NATS is away, PermanentError where it refuses."""

    def __init__(self, bucket: PolicyBucket) -> None:
        self._bucket = bucket
        self._records: dict[str, tuple[Record, int]] = {}
        self._commands: dict[str, str] = {}  # command id -> service
        self.results: dict[str, Result] = {}  # by command id, of the records' commands

    def __contains__(self, service: object) -> bool:
        return service in self._records

    def services(self) -> list[str]:
        """All of whom something is kept."""
        return list(self._records)

    def of(self, service: str) -> Record:
        """An empty one where nothing is kept."""
        return self._records[service][0] if service in self._records else Record(service=service)

    def ended(self, result: Result) -> str | None:
        """Note a result; the service whose policies wait for it, None: nobody does."""
        service = self._commands.get(result.command_id)
        if service is not None:
            self.results[result.command_id] = result.model_copy(update={"plan": ()})
        return service

    async def load(self) -> None:
        """Read all of them."""
        self._records.clear()
        self._commands.clear()
        for kept in await self._bucket.memories():
            if (record := _understood(kept.body)) is not None:
                self._put(record, kept.revision)

    async def load_one(self, service: str) -> None:
        """Read one again."""
        kept = await self._bucket.memory(service)
        self._put(_understood(kept.body) or Record(service=service), kept.revision)

    async def keep(self, record: Record) -> bool:
        """Write one; False: another copy did, read it again."""
        revision = self._records[record.service][1] if record.service in self._records else 0
        if record.is_empty and revision == 0:
            return True
        body = b"" if record.is_empty else record.model_dump_json().encode()
        written = await self._bucket.keep(record.service, body, revision)
        if written is None:
            return False
        if record.is_empty:
            self._drop(record.service)
        else:
            self._put(record, written)
        return True

    def _put(self, record: Record, revision: int) -> None:
        self._drop(record.service)
        self._records[record.service] = (record, revision)
        for sent in record.sent.values():
            self._commands[sent.command.id] = record.service
        if len(self.results) > 2 * len(self._commands) + RESULTS_SPARE:
            self.results = {one: result for one, result in self.results.items() if one in self._commands}

    def _drop(self, service: str) -> None:
        record, _ = self._records.pop(service, (None, 0))
        if record is not None:
            for sent in record.sent.values():
                self._commands.pop(sent.command.id, None)


def _understood(body: bytes) -> Record | None:
    """None: nothing is kept, or it is of another version."""
    try:
        return Record.model_validate_json(body) if body else None
    except ValidationError:
        return None
