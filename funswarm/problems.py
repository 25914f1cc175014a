"""What is wrong with services' labels, as all who read these tell it: each subject's last message. I/O by `Link`."""

import json
from typing import Final

from nats.aio.msg import Msg
from pydantic import ValidationError

from funswarm.errors import PermanentError, Unavailable
from funswarm.jetstream import API_TIMEOUT_S, subjects_in
from funswarm.link import Link
from funswarm.messages import Problem, Problems
from funswarm.subjects import Subjects

SUBJECTS_MAX: Final = 1000  # of one question: NATS answers for 1024
_NOT_FOUND, _END = "404", "204"


async def read_problems(link: Link, subjects: Subjects, limit: int, source: str | None = None) -> tuple[Problem, ...]:
    """Up to `limit` problems there are now, by source and service; `source`: only its own.

    Raises:
        Unavailable: NATS or the stream is not there.
        PermanentError: NATS does not permit it.
    """
    told = await subjects_in(link, subjects.reports_stream, subjects.problems_of(source))
    found: list[Problem] = []
    for start in range(0, len(told), SUBJECTS_MAX):
        if len(found) >= limit:
            break
        for problems in await _last(link, subjects.reports_stream, told[start : start + SUBJECTS_MAX]):
            found += problems.problems
    found.sort(key=lambda problem: (problem.source, problem.service))
    return tuple(found[:limit])


async def _last(link: Link, stream: str, told: list[str]) -> list[Problems]:
    """The last of each of these subjects, in one question (batched direct get, ADR-31 of NATS)."""
    ask = {"multi_last": told, "batch": len(told)}
    answers = await link.gather(
        f"$JS.API.DIRECT.GET.{stream}", json.dumps(ask).encode(), API_TIMEOUT_S, _ended, stall_s=0.0
    )
    code = _status(answers[-1]) if answers else None
    if code is None:
        raise Unavailable(f"reading {stream} broke off")
    if code not in (_NOT_FOUND, _END):
        raise PermanentError(f"{stream} cannot be read: NATS says: {code}")
    return [problems for answer in answers[:-1] if (problems := _understood(answer.data)) is not None]


def _ended(answers: list[Msg]) -> bool:
    return _status(answers[-1]) is not None if answers else False


def _status(answer: Msg) -> str | None:
    return (answer.headers or {}).get("Status")


def _understood(body: bytes) -> Problems | None:
    """None: it is of another version."""
    try:
        return Problems.model_validate_json(body)
    except ValidationError:
        return None
