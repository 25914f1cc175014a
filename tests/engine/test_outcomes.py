"""What becomes of commands on an engine: poller and scheduler against it, over a nats-server of their own."""

import asyncio

import pytest

from funswarm.client import Client
from funswarm.commands import BatchItem
from funswarm.how import How
from funswarm.messages import Convergence, ResultStatus
from funswarm.outcome import check
from funswarm.spec import ServicePatch, ServiceSpec
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from services.scheduler.convergence import Patience
from services.scheduler.loop import run_scheduler
from services.scheduler.settings import SchedulerSettings
from tests.engine.conftest import FOREVER, IMAGE, PATIENCE_S
from tests.servers import nats_server
from tests.waiting import until

SETTLED = How(wait_for="converged", wait_s=PATIENCE_S)
QUICK = Patience(stable_s=3.0, stalled_s=6.0, settle_s=PATIENCE_S)


@pytest.fixture
async def client(host, tmp_path):
    stop = asyncio.Event()
    with nats_server(tmp_path) as server:
        nats, engine = NatsSettings(url=server.url), EngineSettings(host=host)
        parts = [
            asyncio.create_task(run_poller(nats, engine, PollerSettings("poller", "1"), stop)),
            asyncio.create_task(run_scheduler(nats, engine, SchedulerSettings("one", "1", patience=QUICK), stop)),
        ]
        async with Client(server.url) as client:

            async def active() -> bool:
                return sum(part.active for part in await client.parts()) == len(parts)

            await until(active, "poller and scheduler")
            yield client
        stop.set()
        await asyncio.gather(*parts)


def spec(engine, suffix="", **fields) -> ServiceSpec:
    name = engine.name + suffix
    engine.undo_later(lambda: engine.api.remove_service(name))
    quick = {"stop_grace_period": "10ms", "restart_policy": {"delay": "200ms"}}
    return ServiceSpec.model_validate({"name": name, "image": IMAGE, "command": FOREVER, **quick, **fields})


def outcome(result) -> Convergence:
    convergence = check(result).convergence
    assert convergence is not None
    return convergence


async def test_a_service_converges_and_again_after_a_scale_and_an_update(engine, client):
    created = outcome(await client.create(spec(engine, update_config={"monitor": "500ms"}), how=SETTLED))
    scaled = outcome(await client.scale(engine.name, 2, how=SETTLED))
    updated = outcome(await client.update(engine.name, ServicePatch(command=["sleep", "200000"]), how=SETTLED))
    assert ["converged"] * 3 == [one.status for one in (created, scaled, updated)]


async def test_an_image_that_is_nowhere_is_a_failure_with_the_engines_words(engine, client):
    image = "registry.invalid/missing:1"
    failed = outcome(await client.create(spec(engine, image=image), how=SETTLED))
    assert ("failed", True) == (failed.status, any(image in error for error in failed.errors))


async def test_tasks_that_end_again_and_again_are_a_failure_with_the_exit(engine, client):
    failed = outcome(await client.create(spec(engine, command=["sh", "-c", "sleep 0.5; exit 3"]), how=SETTLED))
    assert ("failed", "task: non-zero exit (3)") == (failed.status, failed.errors[0])


async def test_an_update_that_swarm_rolls_back_is_a_failure(engine, client):
    rolls_back = {"failure_action": "rollback", "monitor": "1m"}  # from a failure within it, however late it is told
    outcome(await client.create(spec(engine, update_config=rolls_back), how=SETTLED))
    failed = outcome(await client.update(engine.name, ServicePatch(command=["false"]), how=SETTLED))
    assert ("failed", True) == (failed.status, (failed.reason or "").startswith("rolled back"))


async def test_a_batch_creates_what_depends_on_a_service_when_that_runs(engine, client):
    specs = {name: spec(engine, f"-{name}").model_dump(exclude_unset=True) for name in ("db", "app")}
    db, app = [{"verb": "create", "target": one["name"], "service": one} for one in specs.values()]
    items = [BatchItem(name="db", command=db, wait="converged"), BatchItem(name="app", command=app, depends_on=("db",))]
    result = check(await client.batch(items, how=How(wait_s=PATIENCE_S)))
    assert [ResultStatus.SUCCEEDED] * 2 == [item.status for item in result.items]
    running = min(task["Status"]["Timestamp"] for task in engine.running(f"{engine.name}-db"))
    assert running < engine.service(f"{engine.name}-app")["CreatedAt"]
