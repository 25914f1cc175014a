"""Cron jobs on a simulated Swarm with a poller and schedulers, and what tests ask of their runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from funswarm.cronruns import CronOutcome, CronRun, history
from funswarm.decisions import Decision
from funswarm.spec import ServiceSpec
from services.bus.connection import Bus
from services.bus.reading import read_stream
from tests.nats.schedule_scene import with_bus
from tests.nats.scheduler_scene import Scene, done
from tests.waiting import until

EACH_SECOND = "* * * * * *"
EACH_5_SECONDS = "*/5 * * * * *"


@asynccontextmanager
async def cron_scene() -> AsyncIterator[tuple[Scene, Bus]]:
    """A poller, and no scheduler yet."""
    async with with_bus() as (swarm, bus):
        swarm.start_poller()
        yield swarm, bus


def backup(command: str = "true", schedule: str = EACH_SECOND, **more: object) -> ServiceSpec:
    """A parked service for swarm-cronjob; `labels`: more of ours, `_` for `-`."""
    given = more.pop("labels", {})
    assert isinstance(given, dict)
    labels = {f"funswarm.cron.{key.replace('_', '-')}": value for key, value in given.items()}
    fields = {"replicas": 0} if more.get("mode", "replicated") == "replicated" else {}
    return ServiceSpec.model_validate(
        {
            "name": "backup", "image": "busybox", "command": ["sh", "-c", command], **fields,
            "restart_policy": {"condition": "none"},
            "labels": {"swarm.cronjob.enable": "true", "swarm.cronjob.schedule": schedule, **labels}, **more,
        }
    )  # fmt: skip


async def create(swarm: Scene, spec: ServiceSpec) -> None:
    done(await swarm.client.create(spec))


async def runs(bus: Bus, outcome: CronOutcome | None = None) -> list[CronRun]:
    """As they were told, the newest first."""
    stream, subject = bus.subjects.reports_stream, bus.subjects.all_decisions
    told = [Decision.model_validate_json(one.body) async for one in read_stream(bus, stream, subject=subject)]
    return [run for run in history(reversed(told)) if outcome in (None, run.outcome)]


async def until_runs(bus: Bus, count: int = 1, outcome: CronOutcome | None = CronOutcome.SUCCEEDED) -> list[CronRun]:
    async def enough() -> list[CronRun]:
        found = await runs(bus, outcome)
        return found if len(found) >= count else []

    return await until(enough, f"{count} runs: {outcome}", every_s=0.1) or []


def tokens(swarm: Scene, name: str = "backup") -> list[int]:
    """The runs that tasks were made for, one for each task that is known still."""
    service = swarm.service(name)
    return sorted(int(task.spec.get("ForceUpdate", 0)) for task in swarm.cluster.store.tasks_of(service.id))
