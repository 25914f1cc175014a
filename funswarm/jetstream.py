"""The few words of JetStream that a reader and a sender of commands need, in its documented JSON API. I/O by `Link`.

Spelled out here instead of nats-py's JetStream context: these calls know what a missing stream means and never hang.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg

from funswarm.errors import PermanentError, Unavailable
from funswarm.link import Link, NobodyAnswers
from funswarm.messages import Code

API_TIMEOUT_S: Final = 5.0
_NOT_FOUND, _END_OF_BATCH = "404", "204"
_STREAM_NOT_FOUND: Final = 10059
_MESSAGE_NOT_FOUND: Final = 10037
_NOT_DELETED: Final = 10057
_WRONG_LAST_SEQUENCE: Final = 10071


@dataclass(frozen=True, slots=True)
class Ack:
    """NATS keeps the message. `duplicate`: it kept one with this Nats-Msg-Id before, under `sequence`."""

    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a stream holds: `first`..`last`, empty when `first` > `last`. `created` tells it from a later namesake."""

    first: int
    last: int
    created: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of a stream. `pending`: how many more the consumer had for us then."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    pending: int = 0


class OutOfDate(PermanentError):
    """The subject's last message is not the one that was expected: nothing was stored."""

    code = Code.CONFLICT


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as the stream has it; `time`: when NATS stored it."""

    sequence: int
    headers: dict[str, str]
    body: bytes
    time: datetime


async def publish(link: Link, stream: str, subject: str, body: bytes, headers: dict[str, str]) -> Ack:
    """Stores one message; with a Nats-Msg-Id, a repeat within the stream's window stores nothing.

    Raises:
        Unavailable: NATS did not say that it keeps the message (it may).
        PermanentError: NATS will not take it.
    """
    headers = {**headers, "Nats-Expected-Stream": stream}
    try:
        answer = await link.request(subject, body, API_TIMEOUT_S, headers)
    except NobodyAnswers as error:
        raise _no_stream(stream) from error
    ack = _answer(answer, stream)
    return Ack(sequence=int(ack["seq"]), duplicate=bool(ack.get("duplicate", False)))


async def bounds(link: Link, stream: str) -> Bounds:
    """What the stream holds now."""
    info = await _call(link, f"STREAM.INFO.{stream}", {}, stream)
    state = info["state"]
    return Bounds(int(state["first_seq"]), int(state["last_seq"]), str(info["created"]))


async def last_message(link: Link, stream: str, subject: str) -> bytes | None:
    """The body of the stream's last message on `subject`; None where it has none."""
    return await _message(link, stream, {"last_by_subj": subject})


async def last_kept(link: Link, stream: str, subject: str) -> Kept | None:
    """The stream's last message on `subject`, as its leader has it; None where it has none."""
    found = await _call(link, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}, stream, absent=_MESSAGE_NOT_FOUND)
    if not found:
        return None
    kept = found["message"]
    lines = base64.b64decode(kept.get("hdrs", "")).decode(errors="replace").split("\r\n")[1:]
    headers = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    body = base64.b64decode(kept.get("data", ""))
    return Kept(int(kept["seq"]), headers, body, datetime.fromisoformat(kept["time"]))


async def subjects_in(link: Link, stream: str, wildcard: str) -> list[str]:
    """The subjects that `wildcard` means and that the stream has messages on, in order."""
    info = await _call(link, f"STREAM.INFO.{stream}", {"subjects_filter": wildcard}, stream)
    return sorted(info["state"].get("subjects") or ())


async def message(link: Link, stream: str, sequence: int) -> bytes | None:
    """The body of the stream's message `sequence`; None where it is gone."""
    return await _message(link, stream, {"seq": sequence})


async def delete_message(link: Link, stream: str, sequence: int) -> bool:
    """Take a message away for good; False: it was not there."""
    return bool(await _call(link, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence}, stream, absent=_NOT_DELETED))


async def create_consumer(link: Link, stream: str, config: dict[str, Any]) -> int:
    """An ephemeral consumer as `config` says (NATS' own field names); how many messages it has to deliver."""
    body = {"stream_name": stream, "config": config}
    info = await _call(link, f"CONSUMER.CREATE.{stream}", body, stream)
    return int(info["num_pending"])


async def direct_batch(link: Link, stream: str, ask: dict[str, Any]) -> list[Msg]:
    """Several messages by one question (batched direct get, ADR-31 of NATS); none where there are none.

    Raises:
        Unavailable: NATS or the stream is not there, or the answer broke off.
        PermanentError: NATS does not permit it.
    """
    answers = await link.gather(
        f"$JS.API.DIRECT.GET.{stream}", json.dumps(ask).encode(), API_TIMEOUT_S, _has_ended, stall_s=0.0
    )
    code = _status(answers[-1]) if answers else None
    if code is None:
        raise Unavailable(f"reading {stream} broke off")
    if code not in (_NOT_FOUND, _END_OF_BATCH):
        raise PermanentError(f"{stream} cannot be read: NATS says: {code}")
    return answers[:-1]


def _has_ended(answers: list[Msg]) -> bool:
    return bool(answers) and _status(answers[-1]) is not None


def _status(answer: Msg) -> str | None:
    return (answer.headers or {}).get("Status")


def stored(delivered: Msg) -> Stored:
    """A message as a consumer delivers it."""
    place = _place(delivered)
    return Stored(int(place[0]), delivered.subject, delivered.headers or {}, delivered.data, pending=int(place[3]))


def consumer_sequence(delivered: Msg) -> int:
    """How many messages the consumer has delivered, this one included."""
    return int(_place(delivered)[1])


def _place(delivered: Msg) -> list[str]:
    """Stream sequence, consumer sequence, time in ns, pending: from the reply subject, which is (ADR-15 of NATS)
    `$JS.ACK.<stream>.<consumer>.<deliveries>.…` or `$JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.…`.
    """
    tokens = delivered.reply.split(".")
    return tokens[5:] if len(tokens) == 9 else tokens[7:]


async def _message(link: Link, stream: str, query: dict[str, Any]) -> bytes | None:
    found = await _call(link, f"STREAM.MSG.GET.{stream}", query, stream, absent=_MESSAGE_NOT_FOUND)
    return base64.b64decode(found["message"].get("data", "")) if found else None


async def _call(link: Link, name: str, body: dict[str, Any], stream: str, absent: int = 0) -> dict[str, Any]:
    try:
        answer = await link.request(f"$JS.API.{name}", json.dumps(body).encode(), API_TIMEOUT_S)
    except NobodyAnswers as error:
        raise Unavailable("NATS answers, its JetStream does not: switch JetStream on in the server") from error
    return _answer(answer, stream, absent)


def _answer(answer: Msg, stream: str, absent: int = 0) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(answer.data)
    error = content.get("error")
    if error is None:
        return content
    if absent and error.get("err_code") == absent:
        return {}
    if error.get("err_code") == _STREAM_NOT_FOUND:
        raise _no_stream(stream)
    if error.get("err_code") == _WRONG_LAST_SEQUENCE:
        raise OutOfDate(f"{stream}: {error.get('description', error)}: somebody else wrote in between")
    text = f"NATS' JetStream says of {stream}: {error.get('description', error)}"
    if int(error.get("code", 500)) < 500:
        raise PermanentError(text)
    raise Unavailable(text)


def _no_stream(stream: str) -> Unavailable:
    return Unavailable(f"NATS has no stream {stream}: has Funswarm run here yet, and with this prefix?")
