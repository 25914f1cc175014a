"""What the tests of the scheduler against an engine share: services of which all tasks run, and a worker."""

import asyncio
from contextlib import asynccontextmanager

from services.scheduler.fold import Services
from services.scheduler.metrics import Metrics
from services.scheduler.safe_write import SafeWriter
from services.scheduler.targets import Targets
from services.scheduler.worker import Worker
from tests.engine.conftest import PATIENCE_S, SECOND_NS
from tests.unit.scheduler.fakes import SUBJECTS, FakeStore, Feed
from tests.waiting import until

QUICK = {"Parallelism": 0, "Monitor": SECOND_NS // 10}


def ids(tasks):
    return {task["ID"] for task in tasks}


def running(engine, replicas=1, **parts):
    """A service of which all tasks run; their ids."""
    engine.create(engine.spec(replicas=replicas, **{"UpdateConfig": QUICK, "RollbackConfig": QUICK, **parts}))
    return ids(engine.until_running(engine.name, replicas))


def job(engine, command=("true",), total=1):
    """A job; at its first run, which has just begun."""
    mode = {"ReplicatedJob": {"TotalCompletions": total, "MaxConcurrent": 1}}
    engine.create({**engine.spec([*command]), "Mode": mode})


def iteration(raw):
    """Of a service or a task: which run of the job it is at."""
    return (raw.get("JobStatus") or raw)["JobIteration"].get("Index", 0)


@asynccontextmanager
async def working(client):
    """A function: hand commands to a worker, and wait for their results in the order in which they came."""
    store, feed = FakeStore(), Feed()
    writer = SafeWriter(client, store, lambda: True, Services())
    worker = Worker(SUBJECTS, store, writer, Metrics(), Targets(client, Services()).lane_of)
    work = asyncio.create_task(worker.run(feed))

    async def results(*commands):
        feed.put(*commands)
        await until(
            lambda: all(one.id in store.results for one in commands), "results", timeout_s=PATIENCE_S, every_s=0.1
        )
        return [store.results[one.id] for one in commands]

    try:
        yield results
    finally:
        worker.stop()
        await work
