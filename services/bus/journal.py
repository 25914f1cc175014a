"""The one writer of a stream, fenced: nobody else's message can come between two of its own.

Every write says which sequence it expects to be the stream's last (`Nats-Expected-Last-Sequence`), so a writer that was
followed by another one, or that was stopped and woke up, writes nothing any more: it gets `Superseded`. That holds for
what a dead writer left in a socket too, because no message is sent before the one in front of it is stored (or goes
with it in an atomic batch): of three sent together the third could fit where a successor has written two.

What is written is stored: where an earlier message has the same `Nats-Msg-Id`, it is under an id of its own.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final

from nats.aio.msg import Msg

from funswarm.errors import FunswarmError, Unavailable
from funswarm.messages import MSG_ID_HEADER
from services.bus.answers import NOT_STORED, NoAnswer, Unfit
from services.bus.jetstream import EXPECTED_STREAM, WRONG_LAST_SEQUENCE, ApiError, checked, header_at, last_sequence
from services.bus.link import Link

if TYPE_CHECKING:
    from services.bus.connection import Bus

SINGLES_MAX: Final = 8  # a batch takes as long as five messages one by one, and costs NATS as much as 13
BATCH_MAX: Final = 500
PATIENCE_S: Final = 30.0
MARK_HEADER: Final = "Funswarm-Write"  # which write of which writer stored this: how an unanswered one is resolved

_EXPECTED_SEQUENCE: Final = "Nats-Expected-Last-Sequence"
_ANSWER_TIMEOUT_S: Final = 5.0
_RETRY_DELAY_S: Final = 0.05
_TOO_LARGE: Final = 10054  # for the stream, whose limit may be lower than the server's
_BATCH_INCOMPLETE: Final = 10176
_BATCH_HAS_DUPLICATE: Final = 10201


class Superseded(FunswarmError):
    """The stream is not as this writer left it: somebody else wrote. Read it again and open a new journal."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be stored."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


class Journal:
    """`last`: the sequence of the stream's last message, as far as this writer knows. One `write` at a time."""

    def __init__(self, bus: "Bus", stream: str, last: int) -> None:
        self._link: Link = bus.link
        self._stream = stream
        self.last = last
        self._id = secrets.token_hex(6)
        self._writes = count(1)
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, bus: "Bus", stream: str) -> "Journal":
        """A journal that expects the stream as it is now: what is read after this is what it continues.

        Raises:
            Unavailable, PermanentError: the stream cannot be read.
        """
        return cls(bus, stream, await last_sequence(bus.link, stream))

    async def write(self, messages: Sequence[Outgoing]) -> int:
        """Store the messages in this order; all or a first part of them. Returns the stream's last sequence.

        An unanswered write is resolved before this returns: it waits for NATS for up to PATIENCE_S for each batch.

        Raises:
            Superseded: somebody else wrote since.
            Unavailable: NATS is away for longer. The messages may be stored or not; the next `write` raises Superseded
                if they are.
            Unfit: NATS takes one of them at no time, or not all in one batch.
            PermanentError: NATS refuses them.
        """
        async with self._lock:
            for chunk in _chunks(messages):
                await self._write(chunk)
            return self.last

    async def _write(self, chunk: Sequence[Outgoing]) -> None:
        mark = f"{self._id}.{next(self._writes)}"
        end = time.monotonic() + PATIENCE_S
        unclear = False
        while True:
            try:
                await self._link.wait_connected(max(0.0, end - time.monotonic()))
                if not (unclear and await self._stored(mark, len(chunk))):
                    await self._attempt(chunk, mark)
            except ApiError as error:
                if error.err_code == _BATCH_HAS_DUPLICATE:
                    break
                retry = error.temporary or error.err_code in (WRONG_LAST_SEQUENCE, _BATCH_INCOMPLETE)
                if error.err_code == _TOO_LARGE:
                    raise Unfit(f"{chunk[0].subject}, or one written with it: {error}") from error
                if not retry or time.monotonic() >= end:
                    raise error.told(f"write to {self._stream}") from error
            except Unavailable as error:
                if time.monotonic() >= end:
                    hint = f": {NOT_STORED}" if isinstance(error, NoAnswer) else ""
                    raise Unavailable(f"cannot write to {self._stream}: {error}{hint}") from error
            else:
                return
            unclear = True
            await asyncio.sleep(_RETRY_DELAY_S)
        for message in chunk:
            await self._write([message])

    async def _stored(self, mark: str, size: int) -> bool:
        """Whether the write `mark` of `size` messages, which was not answered, was stored.

        Raises:
            Superseded: another one was, or both.
        """
        last = await last_sequence(self._link, self._stream)
        if last == self.last:
            return False
        if last == self.last + size and await header_at(self._link, self._stream, last, MARK_HEADER) == mark:
            self.last = last
            return True
        raise Superseded(f"{self._stream} is at {last}, not at {self.last}: somebody else writes there")

    async def _attempt(self, chunk: Sequence[Outgoing], mark: str) -> None:
        if len(chunk) == 1:
            await self._single(chunk[0], mark)
        else:
            await self._batch(chunk, mark)

    async def _single(self, message: Outgoing, mark: str) -> None:
        fence = {_EXPECTED_SEQUENCE: str(self.last), EXPECTED_STREAM: self._stream, MARK_HEADER: mark}
        answer = await self._link.request(
            message.subject, message.body, _ANSWER_TIMEOUT_S, {**message.headers, **fence}
        )
        ack = checked(answer.data)
        if not ack.get("duplicate"):
            self.last = int(ack["seq"])
        elif int(ack["seq"]) > self.last:
            raise Unavailable(f"{message.subject} is there already: whose?")  # an earlier try, most likely: find out
        else:  # of an earlier write, so another message: NATS has dropped this one
            headers = {**message.headers, MSG_ID_HEADER: f"{message.headers[MSG_ID_HEADER]}~{mark}"}
            await self._single(replace(message, headers=headers), mark)

    async def _batch(self, chunk: Sequence[Outgoing], mark: str) -> None:
        bodies: list[bytes] = []

        def feed(answer: Msg) -> bool:
            bodies.append(answer.data)  # empty: the first message of the batch was taken
            return bool(answer.data)

        batch_id = secrets.token_hex(16)
        with self._link.inbox.expect(chunk[0].subject, feed) as answers:
            for number, message in enumerate(chunk, 1):
                headers = {**message.headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
                if number == 1:
                    headers |= {_EXPECTED_SEQUENCE: str(self.last), EXPECTED_STREAM: self._stream}
                if number == len(chunk):
                    headers |= {"Nats-Batch-Commit": "1", MARK_HEADER: mark}
                ends = number in (1, len(chunk))
                await self._link.send(message.subject, message.body, answers.reply if ends else "", headers)
            await answers.wait(_ANSWER_TIMEOUT_S)
        self.last = int(checked(bodies[-1])["seq"])


def _chunks(messages: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    size = 1 if len(messages) <= SINGLES_MAX else BATCH_MAX
    for start in range(0, len(messages), size):
        yield messages[start : start + size]
