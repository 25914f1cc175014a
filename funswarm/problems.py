"""What is wrong with services' labels, as all who read these tell it: each subject's last message. I/O by `Link`."""

from contextlib import aclosing

from pydantic import ValidationError

from funswarm.jetstream import subjects_in
from funswarm.lasts import last_of_each
from funswarm.link import Link
from funswarm.messages import Problem, Problems
from funswarm.subjects import Subjects


async def read_problems(link: Link, subjects: Subjects, limit: int, source: str | None = None) -> tuple[Problem, ...]:
    """Up to `limit` problems there are now, by source and service; `source`: only its own.

    Raises:
        Unavailable: NATS or the stream is not there.
        PermanentError: NATS does not permit it.
    """
    told = await subjects_in(link, subjects.reports_stream, subjects.problems_of(source))
    found: list[Problem] = []
    async with aclosing(last_of_each(link, subjects.reports_stream, told)) as bodies:
        async for _, body in bodies:
            if len(found) >= limit:
                break
            if (problems := _understood(body)) is not None:
                found += problems.problems
    found.sort(key=lambda problem: (problem.source, problem.service))
    return tuple(found[:limit])


def _understood(body: bytes) -> Problems | None:
    """None: it is of another version."""
    try:
        return Problems.model_validate_json(body)
    except ValidationError:
        return None
