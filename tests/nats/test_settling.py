"""What becomes of commands after they were applied: over a real nats-server, with a poller and a simulated Swarm."""

import asyncio

import pytest

from funswarm.how import How
from funswarm.messages import Convergence, Result
from funswarm.outcome import is_pending
from funswarm.spec import ServicePatch, ServiceSpec
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.scheduler.convergence import Patience
from services.scheduler.store import NatsStore
from tests.nats.scheduler_scene import Scene, done, scene
from tests.waiting import PATIENCE_S, until

QUICK = Patience(stable_s=0.5, stalled_s=1.0, settle_s=PATIENCE_S)
FAILING = Patience(stable_s=PATIENCE_S, stalled_s=1.0, settle_s=PATIENCE_S)  # between two crashes it is not well
SLOW = Patience(stable_s=PATIENCE_S, stalled_s=PATIENCE_S, settle_s=PATIENCE_S)
SETTLED = How(wait_for="converged", wait_s=PATIENCE_S)


@pytest.fixture
async def swarm():
    async with scene() as running:
        running.start_poller()
        yield running


def _web(**fields) -> ServiceSpec:
    quick = {"restart_policy": {"delay": "100ms"}, "update_config": {"monitor": "100ms"}}
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": 2, **quick, **fields})


async def _with(swarm: Scene, patience: Patience) -> Scene:
    swarm.start(patience=patience)
    await swarm.active()
    return swarm


def _how(result: Result) -> tuple[str, str | None]:
    assert result.convergence is not None
    return result.convergence.status.value, result.convergence.reason


async def _settled(swarm: Scene, command_id: str) -> Result:
    async def settled() -> Result | None:
        result = await swarm.client.result(command_id)
        return None if result is None or is_pending(result) else result

    result = await until(settled, f"{command_id} to settle")
    assert result is not None
    return result


async def test_a_service_is_applied_at_once_and_converges_later(swarm):
    await _with(swarm, Patience(stable_s=5.0, settle_s=PATIENCE_S))  # the first result is read before
    first = done(await swarm.client.create(_web(), how=How(id="c1")))
    assert is_pending(first)
    settled = await _settled(swarm, "c1")
    assert ("converged", None) == _how(settled)
    assert first == settled.model_copy(update={"convergence": first.convergence, "version": None})
    assert settled.version is not None


async def test_a_scale_and_an_update_and_a_rollback_converge(swarm):
    await _with(swarm, QUICK)
    done(await swarm.client.create(_web(), how=SETTLED))
    scaled = done(await swarm.client.scale("web", 4, how=SETTLED))
    updated = done(await swarm.client.update("web", ServicePatch(image="nginx:2"), how=SETTLED))
    back = done(await swarm.client.rollback("web", how=SETTLED))
    assert ["converged"] * 3 == [_how(result)[0] for result in (scaled, updated, back)]


async def test_a_service_without_replicas_has_converged_with_its_first_result(swarm):
    await _with(swarm, QUICK)
    assert "converged" == _how(done(await swarm.client.create(_web(replicas=0))))[0]


async def test_a_job_converges_when_it_is_complete(swarm):
    await _with(swarm, SLOW)
    job = ServiceSpec.model_validate({"name": "job", "image": "x", "mode": "replicated-job", "command": ["true"]})
    assert "converged" == _how(done(await swarm.client.create(job, how=SETTLED)))[0]


async def test_a_missing_image_is_a_failure_with_the_engines_text(swarm):
    await _with(swarm, QUICK)
    result = done(await swarm.client.create(_web(image="missing:1"), how=SETTLED))
    assert ("failed", "No such image: missing:1") == _how(result)
    assert ("No such image: missing:1",) == (result.convergence or Convergence(status="pending")).errors


async def test_a_crash_loop_is_a_failure_with_the_exit(swarm):
    await _with(swarm, FAILING)
    crashing = _web(command=["sh", "-c", "sleep 0.2; exit 3"])
    status, reason = _how(done(await swarm.client.create(crashing, how=SETTLED)))
    assert ("failed", True) == (status, "task: non-zero exit (3)" in (reason or ""))


async def test_an_update_that_swarm_rolls_back_is_a_failure_with_the_tasks_errors(swarm):
    await _with(swarm, QUICK)
    done(await swarm.client.create(_web(update_config={"failure_action": "rollback", "monitor": "1s"}), how=SETTLED))
    result = done(await swarm.client.update("web", ServicePatch(image="missing:1"), how=SETTLED))
    assert ("failed", True) == (_how(result)[0], (_how(result)[1] or "").startswith("rolled back"))
    assert ("No such image: missing:1",) == (result.convergence or Convergence(status="pending")).errors


async def test_a_later_command_supersedes(swarm):
    await _with(swarm, SLOW)
    done(await swarm.client.create(_web(), how=How(id="c1")))
    done(await swarm.client.scale("web", 3, how=How(id="c2")))
    assert ("superseded", "written since by 'c2'") == _how(await _settled(swarm, "c1"))


async def test_a_write_by_somebody_else_supersedes(swarm):
    await _with(swarm, SLOW)
    done(await swarm.client.create(_web(), how=How(id="c1")))
    await until(swarm.client.summaries, "the poller to see it")
    service = swarm.service("web")
    theirs = {**service.spec, "Mode": {"Replicated": {"Replicas": 3}}}
    swarm.cluster.update_service(service.id, service.version, theirs)
    assert ("superseded", "written since by somebody else") == _how(await _settled(swarm, "c1"))


async def test_a_removal_supersedes(swarm):
    await _with(swarm, SLOW)
    done(await swarm.client.create(_web(), how=How(id="c1")))
    await until(swarm.client.summaries, "the poller to see it")
    done(await swarm.client.remove("web"))
    assert ("superseded", "the service was removed") == _how(await _settled(swarm, "c1"))


async def test_what_does_not_settle_in_time_has_failed(swarm):
    await _with(swarm, Patience(stable_s=PATIENCE_S, stalled_s=PATIENCE_S, settle_s=3.0))
    assert "failed" == _how(done(await swarm.client.create(_web(), how=SETTLED)))[0]


async def test_without_a_poller_it_is_told_that_nothing_is_known(swarm):
    await swarm.stop("poller")
    await _with(swarm, Patience(settle_s=2.0))
    reason = _how(done(await swarm.client.create(_web(), how=SETTLED)))[1]
    assert "has not settled within 2 s: nothing was told of it" == reason


@pytest.mark.parametrize("meanwhile", ["nothing", "another write", "a removal"])
async def test_the_next_active_scheduler_tells_what_the_one_before_had_pending(swarm, meanwhile):
    await _with(swarm, SLOW)
    done(await swarm.client.create(_web(), how=How(id="c1")))
    await until(swarm.client.summaries, "the poller to see it")
    await swarm.stop()
    service = swarm.service("web")
    if meanwhile == "another write":
        swarm.cluster.update_service(service.id, service.version, {**service.spec, "Labels": {}})
    elif meanwhile == "a removal":
        swarm.cluster.remove_service(service.id)
    expected = {"nothing": "converged", "another write": "superseded", "a removal": "failed"}
    settle_s = 5.0 if meanwhile == "a removal" else PATIENCE_S
    swarm.start("two", Patience(stable_s=0.5, stalled_s=0.5, settle_s=settle_s))
    assert expected[meanwhile] == _how(await _settled(swarm, "c1"))[0]


async def test_a_scheduler_that_is_killed_leaves_nothing_pending(swarm):
    process = await swarm.spawn()
    await swarm.active()
    specs = [_web(name=f"web-{number}", replicas=1) for number in range(20)]
    firsts = await asyncio.gather(*(swarm.client.create(spec, how=How(wait_s=PATIENCE_S)) for spec in specs))
    process.kill()
    swarm.start("two", QUICK)
    settled = [await _settled(swarm, done(first).command_id) for first in firsts]
    assert {"converged"} == {_how(result)[0] for result in settled}


async def test_pending_results_are_found_among_others(swarm):
    await _with(swarm, SLOW)
    done(await swarm.client.create(_web(), how=How(id="c1")))
    done(await swarm.client.create(_web(name="none", replicas=0)))
    bus = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")
    store = NatsStore(bus, lambda: True)
    await store.open()
    found = [result.command_id async for result in store.pending()]
    await bus.close()
    assert ["c1"] == found
