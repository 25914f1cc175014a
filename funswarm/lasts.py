"""The last message on each of many subjects, in few questions (batched direct get, ADR-31 of NATS). I/O: `Link`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from funswarm.jetstream import direct_batch
from funswarm.link import Link

SUBJECTS_MAX: Final = 1000  # of one question: NATS answers for 1024


async def last_of_each(link: Link, stream: str, subjects: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
    """Subject and body, of those that have one.

    Raises:
        Unavailable: NATS or the stream is not there.
        PermanentError: NATS does not permit it.
    """
    for start in range(0, len(subjects), SUBJECTS_MAX):
        some = list(subjects[start : start + SUBJECTS_MAX])
        for answer in await direct_batch(link, stream, {"multi_last": some, "batch": len(some)}):
            yield (answer.headers or {})["Nats-Subject"], answer.data
