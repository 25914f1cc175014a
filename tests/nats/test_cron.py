"""Cron jobs from label to history: one run for each time, over crashes, take-overs and absences."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from funswarm.cronruns import CronOutcome, CronRun
from funswarm.decisions import Decision
from funswarm.messages import ResultStatus
from services.bus.connection import Bus
from services.bus.reading import read_stream
from services.scheduler.policies.cron_memory import key_of
from tests.nats.cron_scene import EACH_5_SECONDS, backup, create, cron_scene, runs, tokens, until_runs
from tests.nats.deadly_cron import POINTS
from tests.nats.scheduler_scene import Scene
from tests.waiting import until


@pytest.fixture
async def scene() -> AsyncIterator[tuple[Scene, Bus]]:
    async with cron_scene() as made:
        yield made


@pytest.fixture
def bus(scene: tuple[Scene, Bus]) -> Bus:
    return scene[1]


@pytest.fixture
async def swarm(scene: tuple[Scene, Bus]) -> Scene:
    """With an active scheduler."""
    made = scene[0]
    made.start()
    await made.active()
    return made


async def test_a_job_runs_at_each_of_its_times_and_each_run_is_told(swarm, bus):
    await create(swarm, backup())
    found = await until_runs(bus, 3)
    slots = [run.slot for run in found if run.slot is not None]
    assert (sorted(slots, reverse=True), ["1"]) == (slots, [task.place for task in found[0].tasks])
    assert all(run.late_s is not None and run.late_s >= 0 for run in found)


async def test_jobs_and_their_history_can_be_asked_for(swarm, bus):
    await create(swarm, backup(schedule=EACH_5_SECONDS))
    await until_runs(bus)
    (listed,) = await swarm.client.cron_jobs()
    (run, *_) = await swarm.client.cron_history("backup")
    assert ("backup", EACH_5_SECONDS, True) == (listed.service, listed.job.schedule, listed.last is not None)
    assert run.slot is not None


async def test_a_run_that_fails_is_told_with_its_exit_code(swarm, bus):
    await create(swarm, backup("exit 3", EACH_5_SECONDS))
    (run, *_) = await until_runs(bus, outcome=CronOutcome.FAILED)
    assert ("exit code 3", 3) == (run.reason.rpartition(": ")[2], run.tasks[0].exit_code)


async def test_runs_are_skipped_while_one_is_under_way(swarm, bus):
    await create(swarm, backup("sleep 100000", labels={"overlap": "skip"}))
    await until_runs(bus, 2, CronOutcome.SKIPPED)
    assert 1 == len(tokens(swarm))


async def test_runs_replace_the_one_that_is_under_way(swarm, bus):
    await create(swarm, backup("sleep 100000", EACH_5_SECONDS))
    await until_runs(bus, 1, CronOutcome.REPLACED)
    assert 2 <= len(set(tokens(swarm)))


async def test_a_job_is_parked_after_each_run(swarm, bus):
    await create(swarm, backup(schedule=EACH_5_SECONDS, labels={"park": "true"}, update_config={"monitor": 0.1}))
    await until_runs(bus)
    await until(lambda: swarm.replicas("backup") == 0, "parked")


async def test_a_run_that_takes_too_long_is_stopped(swarm, bus):
    await create(swarm, backup("sleep 100000", EACH_5_SECONDS, labels={"timeout": "1s"}))
    (run, *_) = await until_runs(bus, outcome=CronOutcome.FAILED)
    await until(lambda: swarm.replicas("backup") == 0, "stopped")
    assert "took longer than 1 s" in run.reason


async def test_a_run_that_fails_is_tried_again(swarm, bus):
    await create(swarm, backup("exit 1", "*/10 * * * * *", labels={"retries": "2", "back_off": "100ms"}))

    async def thrice() -> bool:
        attempts: dict[datetime | None, list[int]] = {}
        for run in await runs(bus, CronOutcome.FAILED):
            attempts.setdefault(run.slot, []).append(run.attempt)
        return [2, 1, 0] in attempts.values()  # a slow machine may come to the next time first

    await until(thrice, "three attempts for one time", every_s=0.1)


async def test_a_run_by_hand_is_told_too(swarm, bus):
    await create(swarm, backup("exit 4", "@yearly"))
    await until(lambda: decided(bus), "the job is known")
    await swarm.client.run("backup")
    (run,) = await until_runs(bus, outcome=CronOutcome.FAILED)
    assert (None, 4) == (run.slot, run.tasks[0].exit_code)


async def decided(bus: Bus) -> list[Decision]:
    stream, subject = bus.subjects.reports_stream, bus.subjects.all_decisions
    return [Decision.model_validate_json(one.body) async for one in read_stream(bus, stream, subject=subject)]


@pytest.mark.parametrize("mode", ["global", "replicated-job", "global-job"])
async def test_services_of_all_modes_run(swarm, bus, mode):
    await create(swarm, backup(schedule=EACH_5_SECONDS, mode=mode, total=0 if mode == "replicated-job" else None))
    (run, *_) = await until_runs(bus)
    assert (1 if mode == "replicated-job" else 3) == len(run.tasks)


async def test_a_job_that_is_not_enabled_is_not_run(swarm, bus):
    await create(swarm, backup(labels={"enable": "false"}))
    await create(swarm, backup(name="other"))
    await until_runs(bus, 2)
    assert [] == tokens(swarm)


async def test_a_job_is_left_when_its_labels_are(swarm, bus):
    await create(swarm, backup())
    await until_runs(bus, 1)
    await swarm.client.update("backup", {"labels": {"swarm.cronjob.enable": None}})
    await until(lambda: quiet(bus), "no more runs")


async def quiet(bus: Bus) -> bool:
    before = len(await runs(bus))
    await asyncio.sleep(3)
    return before == len(await runs(bus))


async def test_what_is_wrong_with_a_job_is_told(swarm):
    await create(swarm, backup(schedule="0 25 * * *"))

    async def problems() -> list[str]:
        return [problem.label for problem in (await swarm.client.health()).problems if problem.source == "cron"]

    assert ["swarm.cronjob.schedule"] == await until(problems, "a problem")


# Over crashes.
def each_once(swarm: Scene) -> bool:
    found = tokens(swarm)
    return len(found) == len(set(found))


async def test_two_schedulers_run_each_time_once(swarm, bus):
    swarm.start("two")
    await create(swarm, backup())
    await until_runs(bus, 3)
    await swarm.stop("one")
    await until_runs(bus, 6)
    slots = [run.slot for run in await runs(bus)]
    assert (True, len(slots)) == (each_once(swarm), len(set(slots)))


async def test_schedulers_that_are_killed_run_each_time_once(scene):
    swarm, bus = scene
    processes = [await swarm.spawn(), await swarm.spawn()]
    await swarm.active()
    await create(swarm, backup())
    for count, process in enumerate(processes, 1):
        await until_runs(bus, 2 * count)
        process.kill()
        await process.wait()
        await swarm.spawn()
    await until_runs(bus, 6)
    assert each_once(swarm)


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
async def test_what_was_missed_while_no_scheduler_was_there_is_caught_up_with_as_asked_for(swarm, bus, catch_up):
    await create(swarm, backup(labels={"catch_up": catch_up, "starting_deadline": "500ms"}))
    await until_runs(bus, 1)
    await swarm.stop()
    stopped = datetime.now(UTC)
    await asyncio.sleep(5)
    started = datetime.now(UTC)
    swarm.start("two")

    async def later() -> bool:
        return any(run.slot > started for run in await runs(bus, CronOutcome.SUCCEEDED) if run.slot is not None)

    await until(later, "runs of the other scheduler")
    if catch_up == "all":
        await until(lambda: several_came_late(bus, stopped), "several to be caught up with", every_s=0.1)
    else:
        missed = [run.slot for run in await runs(bus, CronOutcome.SUCCEEDED) if run.slot is not None]
        caught = [slot for slot in missed if stopped < slot < started - timedelta(seconds=1)]
        assert len(caught) <= {"none": 0, "last": 1}[catch_up]
    assert each_once(swarm)


async def several_came_late(bus: Bus, after: datetime) -> bool:
    """It is the last ten that are caught up with: later ones, where it took long until a scheduler was active."""
    done = (CronOutcome.SUCCEEDED, CronOutcome.REPLACED)
    late = [run for run in await runs(bus) if run.outcome in done and run.late_s is not None and run.late_s > 1]
    return len([run for run in late if run.slot is not None and run.slot > after]) > 1


@pytest.mark.parametrize("point", POINTS)
async def test_a_scheduler_that_is_killed_at_any_step_of_a_run_leaves_it_to_the_next(scene, point):
    swarm, bus = scene
    deadly = await swarm.spawn("tests.nats.deadly_cron", DIES_AT=point, DIES_ON="3")
    await swarm.active()
    await create(swarm, backup(labels={"catch_up": "all", "overlap": "queue"}))
    await deadly.wait()
    died = datetime.now(UTC)
    await swarm.spawn()

    async def later() -> list[CronRun]:
        found = [run for run in await runs(bus, CronOutcome.SUCCEEDED) if run.slot is not None and run.slot > died]
        return found if len(found) > 2 else []

    last = (await until(later, "runs of the other scheduler") or [])[0].slot
    first = min(run.slot for run in await runs(bus) if run.slot is not None)
    assert last is not None
    assert [] == [slot async for slot in without_run(swarm, first, last)]
    assert each_once(swarm)


async def without_run(swarm: Scene, slot: datetime, last: datetime) -> AsyncIterator[datetime]:
    """The times for which no run was done."""
    while slot < last:
        decided = f"cron|{swarm.service('backup').id}|{key_of(slot)}|0"
        result = await swarm.client.result(f"policy-{sha256(decided.encode()).hexdigest()[:32]}")
        if result is None or result.status is not ResultStatus.SUCCEEDED:
            yield slot
        slot += timedelta(seconds=1)
