"""Runs as commands: of services whose tasks end, as swarm-cronjob has them, and of jobs."""

import pytest

from services.scheduler.raw_service import Json
from tests.engine.conftest import FOREVER, SECOND_NS
from tests.engine.scheduling import ids, iteration


def parked(engine, command=("true",), **parts):
    """A service at 0 replicas that Swarm would roll back if a task ended soon after its start."""
    config = {"FailureAction": "rollback", "Monitor": 2 * SECOND_NS, "Parallelism": 1}
    return engine.create(engine.spec([*command], replicas=0, UpdateConfig=config, **parts))


def runs(engine) -> list[int]:
    """By their numbers, the runs that each task was made for."""
    return sorted(task["Spec"].get("ForceUpdate", 0) for task in engine.tasks(engine.name))


def ended(engine, token: int, count: int, state: str = "complete") -> list[Json]:
    def found() -> list[Json]:
        tasks = [task for task in engine.tasks(engine.name) if task["Spec"].get("ForceUpdate") == token]
        ends = [task for task in tasks if task["Status"]["State"] == state]
        return ends if len(ends) == count else []

    found_ones: list[Json] = engine.until(found, f"{count} tasks of run {token} are {state}")
    return found_ones


async def test_a_second_run_is_not_done_twice_where_the_service_asks_for_a_rollback(engine, attempt):
    parked(engine)
    for token in (10, 20):
        await attempt("run", f"c{token}", token=token)
        ended(engine, token, 1)
    engine.until_updated(engine.name, "completed")
    assert [10, 20] == runs(engine)


@pytest.mark.parametrize("times", [1, 2])
async def test_all_replicas_of_a_run_begin_at_once(engine, attempt, times):
    parked(engine)
    for token in range(1, times + 1):
        await attempt("run", f"c{token}", token=token, replicas=5)
        ended(engine, token, 5)
    assert 5 * times == len(runs(engine))


async def test_a_run_kills_what_still_runs_of_the_run_before_at_once(engine, attempt):
    parked(engine, FOREVER)
    await attempt("run", "c1", token=1, replicas=3)
    before = ids(engine.until_running(engine.name, 3))
    await attempt("run", "c2", token=2, replicas=3)
    after = {task["ID"] for task in ended(engine, 2, 3, "running")}
    engine.until(lambda: after == ids(engine.running(engine.name)), "only the second run is left")
    assert not before & after


async def test_the_exit_code_of_a_run_that_fails_is_told(engine, attempt):
    parked(engine, ["sh", "-c", "exit 3"])
    await attempt("run", token=4)
    (task,) = ended(engine, 4, 1, "failed")
    assert task["Status"]["ContainerStatus"]["ExitCode"] == 3


async def test_a_run_of_a_global_service_is_one_task_on_each_node(engine, attempt):
    engine.create({**engine.spec(["true"]), "Mode": {"Global": {}}})
    nodes = len(engine.get("/nodes"))
    engine.until_state(engine.name, "complete", count=nodes)
    await attempt("run", token=5)
    ended(engine, 5, nodes)


async def test_a_parked_job_runs_in_one_write_and_its_tasks_bear_the_number(engine, attempt):
    job = {"ReplicatedJob": {"TotalCompletions": 0, "MaxConcurrent": 1}}
    engine.create({**engine.spec(["true"]), "Mode": job})
    before = iteration(engine.service(engine.name))
    await attempt("run", token=6, replicas=2)
    ended(engine, 6, 2)
    assert before + 1 == iteration(engine.service(engine.name))


async def test_a_run_of_no_completions_ends_what_runs_of_a_job(engine, attempt):
    job = {"ReplicatedJob": {"TotalCompletions": 1, "MaxConcurrent": 1}}
    engine.create({**engine.spec(FOREVER), "Mode": job})
    engine.until_state(engine.name, "running")
    await attempt("run", replicas=0)
    engine.until(lambda: not engine.running(engine.name), "nothing runs")
