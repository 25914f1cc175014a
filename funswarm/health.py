"""How Funswarm is: every copy of every part is asked at once, and the active poller for the services.

`assess` is pure; asking is I/O by `Link`.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from nats.aio.msg import Msg
from pydantic import ValidationError

from funswarm.errors import FunswarmError
from funswarm.jetstream import subjects_in
from funswarm.link import Link
from funswarm.messages import Health, PartHealth, Problem, Query, ServiceSummary, SummaryPage
from funswarm.metrics import merge
from funswarm.problems import read_problems
from funswarm.querying import ask_pages
from funswarm.subjects import Subjects

GATHER_TIMEOUT_S = 1.0
PROBLEMS_MAX = 200
NEEDED_PARTS = ("poller", "scheduler")
NOTIFIER = "notifier"  # needed where there are webhooks


def assess(
    parts: Sequence[PartHealth],
    services: Sequence[ServiceSummary],
    cluster: str | None,
    reasons: Sequence[str] = (),
    *,
    has_hooks: bool = False,
) -> Health:
    """Well is: of each needed part an active copy, no active copy with a reason, and no `reasons` from elsewhere."""
    found = list(reasons)
    for part in (*NEEDED_PARTS, *([NOTIFIER] if has_hooks else [])):
        copies = [copy for copy in parts if copy.part == part]
        if not copies:
            why = ", for there are webhooks" if part == NOTIFIER else ""
            found.append(f"no {part} answers: start one{why}")
        elif not any(copy.active for copy in copies):
            whys = "; ".join(f"{copy.instance}: {copy.reason}" for copy in copies if copy.reason)
            found.append(f"no {part} is active: {len(copies)} on standby, " + (whys or "one takes over within seconds"))
    found += [
        f"{copy.part} {copy.instance}: {copy.reason or 'not well'}" for copy in parts if copy.active and not copy.ok
    ]
    return Health(
        ok=not found,
        reasons=tuple(found),
        cluster=cluster,
        simulator=any(copy.simulator for copy in parts),
        parts=tuple(sorted(parts, key=lambda copy: (copy.part, not copy.active, copy.instance))),
        services=tuple(sorted(services, key=lambda service: service.name)),
    )


async def ask_health(link: Link, subjects: Subjects) -> Health:
    """How all is; what cannot be asked is among the reasons."""
    try:
        await link.open()
        parts, (services, cluster, why_not), (problems, why_none), has_hooks = await asyncio.gather(
            gather_parts(link, subjects),
            _summaries(link, subjects),
            _problems(link, subjects),
            _has_hooks(link, subjects),
        )
        if has_hooks and not any(copy.part == NOTIFIER and copy.active for copy in parts):
            parts = await gather_parts(link, subjects, (*NEEDED_PARTS, NOTIFIER))  # it may only have been slower
    except FunswarmError as error:
        return Health(ok=False, reasons=(str(error),))
    health = assess(parts, services, cluster, [*why_not, *why_none], has_hooks=has_hooks)
    return health.model_copy(update={"problems": problems})


async def gather_parts(link: Link, subjects: Subjects, needed: Sequence[str] = NEEDED_PARTS) -> list[PartHealth]:
    """What all copies say, once one of each of `needed` is active; answers that are not understood are left out."""
    understood: dict[int, PartHealth | None] = {}

    def parts(answers: list[Msg]) -> list[PartHealth]:
        for number in range(len(understood), len(answers)):
            understood[number] = _part(answers[number].data)
        return [part for part in understood.values() if part is not None]

    def enough(answers: list[Msg]) -> bool:
        return {part.part for part in parts(answers) if part.active}.issuperset(needed)

    return parts(await link.gather(subjects.part_health, b"", GATHER_TIMEOUT_S, enough))


async def gather_metrics(link: Link, subjects: Subjects) -> str:
    """All copies' metrics on one page. How many copies there are is nowhere known: they have a fixed time."""
    answers = await link.gather(subjects.part_metrics, b"", GATHER_TIMEOUT_S, lambda pages: len(pages) > 1, 0.25)
    return merge(answer.data.decode(errors="replace") for answer in answers)


async def _summaries(link: Link, subjects: Subjects) -> tuple[tuple[ServiceSummary, ...], str | None, list[str]]:
    """The services, the cluster, and why these are not known."""
    cluster = None

    def page(body: bytes) -> SummaryPage:
        nonlocal cluster
        understood = SummaryPage.model_validate_json(body)
        cluster = understood.cluster
        return understood

    try:
        return await ask_pages(link, subjects.query("summary"), Query(limit=1000), page), cluster, []
    except FunswarmError as error:
        return (), cluster, [f"the services are not known: {error}"]


async def _problems(link: Link, subjects: Subjects) -> tuple[tuple[Problem, ...], list[str]]:
    """The problems with labels, and why these are not known."""
    try:
        return await read_problems(link, subjects, PROBLEMS_MAX), []
    except FunswarmError as error:
        return (), [f"the problems with labels are not known: {error}"]


async def _has_hooks(link: Link, subjects: Subjects) -> bool:
    """Whether there are webhooks that were put; False where NATS does not say."""
    with contextlib.suppress(FunswarmError):
        bucket = subjects.hooks_bucket
        found = await subjects_in(link, f"KV_{bucket}", f"$KV.{bucket}.*")
        return any(not subject.rpartition(".")[2].startswith("_") for subject in found)
    return False


def _part(body: bytes) -> PartHealth | None:
    try:
        return PartHealth.model_validate_json(body)
    except ValidationError:
        return None
