"""Reading a stream from a sequence to its end, without a consumer: nothing to leak, nothing to resume but a number.

Uses JetStream's batched direct get (ADR-31 of NATS). Each message names the one before it in the batch, so a gap is
seen; what is missing is asked for again.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nats.aio.msg import Msg

from funswarm.errors import PermanentError, Unavailable
from services.bus.answers import NOT_FOUND, status
from services.bus.jetstream import API_TIMEOUT_S, ApiError, call, decoded_headers, last_sequence
from services.bus.link import Link

if TYPE_CHECKING:
    from services.bus.connection import Bus

PATIENCE_S: Final = 30.0
_BATCH: Final = 256
_BATCH_BYTES: Final = 4 * 2**20  # more than any one message
_BATCH_TIMEOUT_S: Final = 5.0
_RETRY_DELAY_S: Final = 0.05
_END_OF_BATCH: Final = "204"
_OWN_HEADERS: Final = frozenset(
    {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence"}
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the stream has it; `time` is when NATS stored it, RFC 3339 with nanoseconds."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    time: str


async def read_stream(
    bus: "Bus", stream: str, from_sequence: int = 1, subject: str | None = None
) -> AsyncIterator[Stored]:
    """The messages from `from_sequence` on, up to the one that is the last now; none is left out.

    `subject`: only those, wildcards allowed. Goes on after a lost connection, where it was.

    Raises:
        Unavailable: NATS is away for longer than PATIENCE_S.
        PermanentError: there is no such stream, or NATS refuses.
    """
    last = await last_sequence(bus.link, stream)
    sequence = max(from_sequence, 1)
    patience = time.monotonic() + PATIENCE_S
    while sequence <= last:
        batch = _Batch(sequence, subject)
        problem = await batch.read(bus.link, stream)
        for stored in batch.messages:
            if stored.sequence > last:
                return
            yield stored
        sequence = batch.next_sequence
        if batch.messages:
            patience = time.monotonic() + PATIENCE_S
        elif problem is None and batch.ended and not await _more(bus.link, stream, sequence, subject, last):
            return
        elif time.monotonic() > patience:
            raise problem or Unavailable(f"{stream} cannot be read at {sequence}")
        else:
            await asyncio.sleep(_RETRY_DELAY_S)


async def stored_at(bus: "Bus", stream: str, sequence: int) -> Stored | None:
    """The message of that sequence; None: it is not there (any more), and the stream's leader says so.

    Raises:
        Unavailable, PermanentError: NATS does not say.
    """
    ask = {"seq": sequence}
    message = await bus.link.request(f"$JS.API.DIRECT.GET.{stream}", json.dumps(ask).encode(), API_TIMEOUT_S)
    if status(message) is None:
        return _stored(message)
    try:  # that was any replica, which may not have it yet
        found = (await call(bus.link, f"STREAM.MSG.GET.{stream}", ask))["message"]
    except ApiError as error:
        if str(error.code) == NOT_FOUND:
            return None
        raise error.told(f"read message {sequence} of {stream}") from error
    headers, body = decoded_headers(found.get("hdrs", "")), base64.b64decode(found.get("data", ""))
    return Stored(sequence, found["subject"], headers, body, found["time"])


class _Batch:
    """One batched get: `messages` without a gap from `next_sequence` as it was at first; `ended`: there are no more."""

    def __init__(self, sequence: int, subject: str | None) -> None:
        self.messages: list[Stored] = []
        self.next_sequence = sequence
        self.ended = False
        self._subject = subject
        self._last = 0
        self._gap = False
        self._refusal: str | None = None

    async def read(self, link: Link, stream: str) -> Unavailable | None:
        """Ask; returns the problem that cut it short."""
        request: dict[str, Any] = {"seq": self.next_sequence, "batch": _BATCH, "max_bytes": _BATCH_BYTES}
        if self._subject is not None:
            request["next_by_subj"] = self._subject
        problem: Unavailable | None = None
        try:
            await link.wait_connected(1.0)
            await link.collect(
                f"$JS.API.DIRECT.GET.{stream}", json.dumps(request).encode(), self._feed, _BATCH_TIMEOUT_S
            )
        except Unavailable as error:
            problem = error
        if self._refusal is not None:
            raise PermanentError(f"{stream} cannot be read: NATS says: {self._refusal}")
        return problem

    def _feed(self, message: Msg) -> bool:
        headers = message.headers or {}
        code = status(message)
        if code is None:
            self._add(message, headers)
            return False
        if code in (NOT_FOUND, _END_OF_BATCH):
            self.ended = not self._gap and headers.get("Nats-Num-Pending", "0") == "0"
        elif code != "503":
            self._refusal = f"{code} {headers.get('Description', '')}"
        return True

    def _add(self, message: Msg, headers: dict[str, str]) -> None:
        if int(headers["Nats-Last-Sequence"]) != self._last:
            self._gap = True
        if self._gap:
            return
        self._last = int(headers["Nats-Sequence"])
        self.next_sequence = self._last + 1
        self.messages.append(_stored(message))


def _stored(message: Msg) -> Stored:
    """The answer of a direct get."""
    headers = message.headers or {}
    own = {name: value for name, value in headers.items() if name not in _OWN_HEADERS}
    sequence = int(headers["Nats-Sequence"])
    return Stored(sequence, headers["Nats-Subject"], own, message.data, headers["Nats-Time-Stamp"])


async def _more(link: Link, stream: str, sequence: int, subject: str | None, last: int) -> bool:
    """Whether the stream's leader has a message there up to `last`: a replica that answered may lag behind."""
    try:
        found = await call(link, f"STREAM.MSG.GET.{stream}", {"seq": sequence, "next_by_subj": subject or ">"})
    except ApiError as error:
        if str(error.code) == NOT_FOUND:
            return False
        raise error.told(f"read stream {stream}") from error
    return int(found["message"]["seq"]) <= last
