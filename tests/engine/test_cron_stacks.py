"""swarm-cronjob's own example stacks, in short: each is created as its stack file would, and run by our scheduler."""

from funswarm.cronruns import CronOutcome
from tests.engine.conftest import FOREVER, PATIENCE_S
from tests.engine.cron_scene import funswarm, runs
from tests.waiting import until

__all__ = ["funswarm"]  # a fixture

EACH_5_SECONDS, EACH_10_SECONDS = "*/5 * * * * *", "*/10 * * * * *"
WHOLE = {"skip_running": "true"}  # on a slow machine each run would be replaced by the next


def create(engine, suffix, command=("date",), **labels):
    """A service as swarm-cronjob's examples have them; `mode`: instead of replicas."""
    mode = labels.pop("mode", None)
    own = {"enable": "true", "schedule": EACH_5_SECONDS, **labels}
    named = {f"swarm.cronjob.{key.replace('_', '-')}": value for key, value in own.items()}
    spec = engine.spec([*command], replicas=0, suffix=suffix, Labels=named)
    engine.create({**spec, "Mode": mode} if mode else spec)
    return spec["Name"]


async def test_the_examples_of_swarm_cronjob_run(engine, funswarm):
    date = create(engine, "-date", schedule=EACH_10_SECONDS)
    found = await runs(funswarm, date, CronOutcome.SUCCEEDED, 2)  # alone: each run is replaced by the next
    assert {"1"} == {task.place for task in found[0].tasks}
    skip = create(engine, "-sleep", FOREVER, skip_running="true")
    error = create(engine, "-error", ["sh", "-c", "exit 3"], **WHOLE)
    everywhere = create(engine, "-global", mode={"Global": {}}, **WHOLE)
    more = create(engine, "-more", replicas="5", **WHOLE)
    query = create(engine, "-query", query_registry="true", **WHOLE)
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
