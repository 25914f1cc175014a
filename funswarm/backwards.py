"""A stream read backwards, page by page: the newest first. Without a consumer: nothing is left behind. I/O: `Link`.

JetStream reads forwards only, but tells with each message how many more there are that a filter selects (batched direct
get, ADR-31 of NATS). So where a page begins is found by some twenty small questions at most, also where what is sought
is rare among a million.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nats.aio.msg import Msg

from funswarm.jetstream import bounds, direct_batch
from funswarm.link import Link

PAGE: Final = 64
_WIDEN: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """One message of a stream; `time`: when NATS stored it. `more`: how many of the filter's come after it."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    time: datetime
    more: int


async def read_back(link: Link, stream: str, subject: str, before: int | None = None) -> AsyncGenerator[Found, None]:
    """What the stream holds on a subject (wildcards allowed), the newest first; `before`: older than this sequence.

    Raises:
        Unavailable: NATS or the stream is not there.
        PermanentError: NATS does not permit it.
    """
    now = await bounds(link, stream)
    end = now.last + 1 if before is None else min(before, now.last + 1)
    while end > now.first:
        page = await _page(_Source(link, stream, subject), max(now.first, 1), end)
        for kept in reversed(page):
            yield kept
        if not page:
            return
        end = page[0].sequence


@dataclass(frozen=True, slots=True)
class _Source:
    link: Link
    stream: str
    subject: str

    async def read(self, start: int, count: int) -> list[Found]:
        """Up to `count` messages from a sequence on; fewer only where there are no more, or where they are large."""
        ask = {"seq": start, "next_by_subj": self.subject, "batch": count}
        return [_kept(answer) for answer in await direct_batch(self.link, self.stream, ask)]

    async def count(self, start: int) -> int:
        """How many there are from a sequence on."""
        first = await self.read(start, 1)
        return first[0].more + 1 if first else 0


async def _page(source: _Source, first: int, end: int) -> list[Found]:
    """The last of what there is in `first`..`end` - 1, in its order: at least PAGE of them, or all."""
    beyond = await source.count(end)
    start, too_late = max(first, end - PAGE), end
    while (found := await source.count(start) - beyond) < PAGE and start > first:
        too_late, start = start, max(first, end - _WIDEN * (end - start))
    while found > 2 * PAGE and too_late - start > 1:
        middle = (start + too_late) // 2
        count = await source.count(middle) - beyond
        if count >= PAGE:
            start, found = middle, count
        else:
            too_late = middle
    page: list[Found] = []
    while found > 0 and start < end:
        part = await source.read(start, found)
        if not part:
            break
        page += [kept for kept in part if kept.sequence < end]
        start, found = part[-1].sequence + 1, found - len(part)
    return page


def _kept(answer: Msg) -> Found:
    headers = answer.headers or {}
    return Found(
        sequence=int(headers["Nats-Sequence"]),
        subject=headers["Nats-Subject"],
        headers=headers,
        body=answer.data,
        time=datetime.fromisoformat(headers["Nats-Time-Stamp"]),
        more=int(headers["Nats-Num-Pending"]),
    )
