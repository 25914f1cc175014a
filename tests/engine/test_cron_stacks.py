"""swarm-cronjob's own example stacks, in short: each is created as its stack file would, and run by our scheduler.

The scheduler follows cron jobs only: on an engine that others use it must leave their services alone.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from funswarm.client import Client
from funswarm.cronruns import CronOutcome, CronRun
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.scheduler.loop import run_scheduler
from services.scheduler.policies.cron import Cron
from services.scheduler.settings import SchedulerSettings
from tests.engine.conftest import FOREVER, PATIENCE_S
from tests.nats.scheduler_scene import NatsServer
from tests.waiting import until

EACH_5_SECONDS = "*/5 * * * * *"


@pytest.fixture
async def funswarm(host, tmp_path, monkeypatch) -> AsyncIterator[Client]:
    """A poller and a scheduler at the engine under test, with a nats-server of their own."""
    monkeypatch.setattr("services.scheduler.policies.start.policies", lambda *_: (Cron(),))
    nats = NatsServer(tmp_path / "nats")
    await nats.start()
    settings, engine = NatsSettings(url=nats.url), EngineSettings(host=host)
    try:
        bus = await Bus.connect(settings, "tests")
        await bus.declare()
        await bus.close()
        stop = asyncio.Event()
        poller = run_poller(settings, engine, PollerSettings("poller", "1"), stop)
        scheduler = run_scheduler(settings, engine, SchedulerSettings("scheduler", "1"), stop)
        working = [asyncio.create_task(part) for part in (poller, scheduler)]
        async with Client(nats.url) as client:
            yield client
        stop.set()
        await asyncio.wait(working, timeout=PATIENCE_S)
    finally:
        await nats.kill()


def create(engine, suffix, command=("date",), **labels):
    """A service as swarm-cronjob's examples have them; `mode`: instead of replicas."""
    mode = labels.pop("mode", None)
    own = {"enable": "true", "schedule": EACH_5_SECONDS, **labels}
    named = {f"swarm.cronjob.{key.replace('_', '-')}": value for key, value in own.items()}
    spec = engine.spec([*command], replicas=0, suffix=suffix, Labels=named)
    engine.create({**spec, "Mode": mode} if mode else spec)
    return spec["Name"]


async def runs(client: Client, service: str, outcome: CronOutcome, count: int = 1) -> list[CronRun]:
    async def enough() -> list[CronRun]:
        found = [run for run in await client.cron_history(service) if run.outcome is outcome]
        return found if len(found) >= count else []

    return await until(enough, f"{count} runs of {service}: {outcome}", timeout_s=PATIENCE_S, every_s=0.3) or []


async def test_the_examples_of_swarm_cronjob_run(engine, funswarm):
    date = create(engine, "-date")
    skip = create(engine, "-sleep", FOREVER, skip_running="true")
    error = create(engine, "-error", ["sh", "-c", "exit 3"])
    everywhere = create(engine, "-global", mode={"Global": {}})
    more = create(engine, "-more", replicas="5")
    query = create(engine, "-query", query_registry="true")
    assert {"1"} == {task.place for task in (await runs(funswarm, date, CronOutcome.SUCCEEDED, 2))[0].tasks}
    await runs(funswarm, skip, CronOutcome.SKIPPED)
    assert 1 == len(engine.tasks(skip))
    assert 3 == (await runs(funswarm, error, CronOutcome.FAILED))[0].tasks[0].exit_code
    (run, *_) = await runs(funswarm, everywhere, CronOutcome.SUCCEEDED)
    assert len(engine.get("/nodes")) == len(run.tasks)
    assert 5 == len((await runs(funswarm, more, CronOutcome.SUCCEEDED))[0].tasks)
    await runs(funswarm, query, CronOutcome.SUCCEEDED)
    told = {one.service: [problem.label for problem in one.problems] for one in await funswarm.cron_jobs()}
    assert (["swarm.cronjob.query-registry"], []) == (told[query], told[date])


async def test_a_job_of_a_job_mode_runs_and_is_run_by_hand(engine, funswarm):
    mode = {"ReplicatedJob": {"TotalCompletions": 0, "MaxConcurrent": 1}}
    name = create(engine, "", mode=mode, schedule="@yearly", replicas="2")

    async def followed() -> bool:
        return bool((await funswarm.decisions(name)).items)

    await until(followed, "the job is followed", timeout_s=PATIENCE_S, every_s=0.3)
    await funswarm.run(name, 2)
    (run,) = await runs(funswarm, name, CronOutcome.SUCCEEDED)
    assert (None, 2) == (run.slot, len(run.tasks))
