"""The bucket of what was told, and the dead letters. I/O by the bus.

A key for each receiver and object, by the label that lets services opt in. Each write expects the value that this copy
knows, so a copy that has lost its turn spoils nothing.
"""

import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from pydantic import ValidationError

from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter
from funswarm.subjects import token
from services.bus.connection import Bus
from services.bus.state import DELETED_FOR_S, OPERATION, load_bucket
from services.bus.streams import bucket_stream, bucket_subject
from services.notifier.docker_flow.settings import Kind
from services.notifier.docker_flow.told import Told

VERB: Final = "docker-flow"  # of the dead letters
NAME_MAX: Final = 128  # characters of a name in a subject; the letter has the whole
_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"

Place = tuple[str, Kind, str]  # receiver, kind, name


class Store(Protocol):
    """What the lanes need. All raise Unavailable while NATS is away, PermanentError where it refuses."""

    async def note(self, told: Told) -> None:
        """Make durable what its receiver knows of its object."""

    async def forget(self, told: Told) -> None:
        """Make durable that its receiver knows nothing of it."""

    async def bury(self, name: str, url: str, reason: str) -> None:
        """Keep a notification that could not be delivered."""


class NatsStore:
    """`open` it at take-over. `label`: by which services opt in."""

    def __init__(self, bus: Bus, label: str) -> None:
        self._bus = bus
        self._bucket = bus.subjects.notified_bucket
        self._begin = f"{token(label)}."
        self._revisions: dict[str, int] = {}

    async def open(self, receivers: Collection[str]) -> dict[Place, Told]:
        """All that these receivers were told."""
        found: dict[Place, Told] = {}
        for key, value in (await load_bucket(self._bus, self._bucket)).items():
            if not key.startswith(self._begin):
                continue
            self._revisions[key] = value.revision
            with suppress(ValidationError):  # of another version: it is told anew
                told = Told.model_validate_json(value.body)
                if told.receiver in receivers:
                    found[told.receiver, told.kind, told.name] = told
        return found

    async def note(self, told: Told) -> None:
        await self._write(self._key(told), told.model_dump_json().encode(), {})

    async def forget(self, told: Told) -> None:
        key = self._key(told)
        await self._write(key, b"", {OPERATION: "DEL", "Nats-TTL": str(DELETED_FOR_S)})
        del self._revisions[key]  # NATS drops it some time

    async def bury(self, name: str, url: str, reason: str) -> None:
        subjects = self._bus.subjects
        subject = subjects.dead(VERB, name[:NAME_MAX])
        letter = DeadLetter(reason=reason, code=Code.UNAVAILABLE, subject=subject, body=url, at=datetime.now(UTC))
        headers = {MSG_ID_HEADER: f"{VERB}-{secrets.token_hex(12)}"}
        await self._bus.publish(subject, letter.model_dump_json().encode(), headers, subjects.dead_stream)

    async def _write(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        stream, subject = bucket_stream(self._bucket), bucket_subject(self._bucket, key)
        if key not in self._revisions:
            before = await self._bus.newest(stream, subject)
            self._revisions[key] = 0 if before is None else before.sequence
        fence = {MSG_ID_HEADER: secrets.token_hex(12), _EXPECTED: str(self._revisions[key])}
        self._revisions[key] = await self._bus.publish(subject, body, headers | fence, stream)

    def _key(self, told: Told) -> str:
        return f"{self._begin}{token(told.receiver)}.{told.kind}.{token(told.name)}"
