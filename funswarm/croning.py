"""Cron jobs and their runs, for Client: what labels ask for, and what the scheduler told of it. I/O by `Link`."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import Field, ValidationError

from funswarm.cronjobs import SOURCE, CronJob, read_job
from funswarm.cronruns import CronRun, history, last_of, run_of
from funswarm.decisions import Decision
from funswarm.errors import InvalidRequest
from funswarm.lasts import last_of_each
from funswarm.messages import Problem
from funswarm.policing import DECISIONS_MAX, Policed
from funswarm.state import Published, ServiceState


class ListedJob(Published):
    """A cron job. `job` None: it cannot be followed, see `problems`. `next`: without jitter; null for `@every`, which
    only the scheduler counts. `last`: the newest run, as far as it is known.
    """

    service: str
    job: CronJob | None = None
    next: datetime | None = None
    last: CronRun | None = None
    problems: tuple[Problem, ...] = ()


class CronJobPage(Published):
    """All cron jobs, by name."""

    items: tuple[ListedJob, ...]


class CronRunPage(Published):
    """The newest first."""

    items: tuple[CronRun, ...] = Field(())


class Croned(Policed):
    """The questions about cron jobs of a Client; they raise what it says."""

    async def cron_jobs(self, services: Iterable[ServiceState] | None = None) -> tuple[ListedJob, ...]:
        """All services with labels of cron jobs, by name; of `services` where they are given."""
        found = listed_jobs(await self.services() if services is None else services, datetime.now(UTC))
        subject_of = {one.service: self._subjects.decision(SOURCE, one.service) for one in found}
        runs: dict[str, CronRun | None] = {}
        async for subject, body in last_of_each(self._link, self._subjects.reports_stream, [*subject_of.values()]):
            runs[subject] = _run(body)
        return tuple(one.model_copy(update={"last": runs.get(subject_of[one.service])}) for one in found)

    async def cron_history(self, service: str, *, limit: int = 20) -> tuple[CronRun, ...]:
        """The runs of a service's job, the newest first, as far as they are kept."""
        page = await self.decisions(service, policy=SOURCE, limit=DECISIONS_MAX)
        return history(page.items)[:limit]


def listed_jobs(services: Iterable[ServiceState], now: datetime) -> list[ListedJob]:
    """Those with labels of cron jobs, by name."""
    found = []
    for service in sorted(services, key=lambda one: one.name):
        job, problems = read_job(service.name, service.labels)
        if job is not None or problems:
            found.append(ListedJob(service=service.name, job=job, next=_next(job, now), problems=problems))
    return found


def replicas_of(service: ServiceState) -> int | None:
    """How many tasks a run of a service's job has; None: as many as the service has, at least one.

    Raises:
        InvalidRequest: it has no job that can be followed.
    """
    job, problems = read_job(service.name, service.labels)
    if job is None:
        why = "; ".join(problem.reason for problem in problems) or "its labels ask for none"
        raise InvalidRequest(f"{service.name} has no cron job: {why}. `funswarm run` runs any service whose tasks end")
    return job.replicas or (1 if service.mode == "replicated" else None)


def _run(body: bytes) -> CronRun | None:
    try:
        decision = Decision.model_validate_json(body)
        return run_of(decision) or last_of(decision)
    except ValidationError:  # of another version
        return None


def _next(job: CronJob | None, now: datetime) -> datetime | None:
    if job is None or job.schedule.partition("@every")[1]:
        return None
    return job.timetable.next_after(now, now)
