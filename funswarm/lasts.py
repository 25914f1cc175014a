"""The last message on each of many subjects, in few questions (batched direct get, ADR-31 of NATS). I/O: `Link`."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from nats.aio.msg import Msg

from funswarm.errors import PermanentError, Unavailable
from funswarm.jetstream import API_TIMEOUT_S
from funswarm.link import Link

SUBJECTS_MAX: Final = 1000  # of one question: NATS answers for 1024
_NOT_FOUND, _END = "404", "204"


async def last_of_each(link: Link, stream: str, subjects: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
    """Subject and body, of those that have one.

    Raises:
        Unavailable: NATS or the stream is not there.
        PermanentError: NATS does not permit it.
    """
    for start in range(0, len(subjects), SUBJECTS_MAX):
        for answer in await _ask(link, stream, subjects[start : start + SUBJECTS_MAX]):
            yield (answer.headers or {})["Nats-Subject"], answer.data


async def _ask(link: Link, stream: str, subjects: Sequence[str]) -> list[Msg]:
    ask = {"multi_last": list(subjects), "batch": len(subjects)}
    answers = await link.gather(
        f"$JS.API.DIRECT.GET.{stream}", json.dumps(ask).encode(), API_TIMEOUT_S, _ended, stall_s=0.0
    )
    code = _status(answers[-1]) if answers else None
    if code is None:
        raise Unavailable(f"reading {stream} broke off")
    if code not in (_NOT_FOUND, _END):
        raise PermanentError(f"{stream} cannot be read: NATS says: {code}")
    return answers[:-1]


def _ended(answers: list[Msg]) -> bool:
    return _status(answers[-1]) is not None if answers else False


def _status(answer: Msg) -> str | None:
    return (answer.headers or {}).get("Status")
