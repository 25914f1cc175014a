"""Batches over a real nats-server and a simulated Swarm: checked whole, done in order, each command once."""

import asyncio
from functools import partial

import pytest

from funswarm.commands import BatchItem
from funswarm.how import How
from funswarm.messages import Code, Result, ResultStatus
from funswarm.spec import ServiceSpec
from services.scheduler.batches import Batches
from services.scheduler.convergence import Patience
from services.scheduler.store import NatsStore
from tests.nats.scheduler_scene import Scene, done, scene
from tests.waiting import PATIENCE_S, until

QUICK = Patience(stable_s=0.5, stalled_s=1.0, settle_s=PATIENCE_S)


@pytest.fixture
async def swarm():
    async with scene() as running:
        running.start_poller()
        yield running


@pytest.fixture
async def started(swarm):
    swarm.start(patience=QUICK)
    await swarm.active()
    return swarm


def create(name: str, *depends_on: str, wait="applied", **fields) -> BatchItem:
    spec = {"name": name, "image": "nginx:1", "restart_policy": {"delay": "100ms"}, **fields}
    command = {"verb": "create", "target": name, "service": spec}
    return BatchItem(name=name, command=command, depends_on=depends_on, wait=wait)


def scale(name: str, *depends_on: str, target: str | None = None, replicas=3) -> BatchItem:
    command = {"verb": "scale", "target": target or name, "replicas": replicas}
    return BatchItem(name=name, command=command, depends_on=depends_on)


async def batch(swarm: Scene, *items: BatchItem, command_id="b1", **how) -> Result:
    return done(await swarm.client.batch(items, "shop", how=How(command_id, wait_s=PATIENCE_S, **how)))


def ends(result: Result) -> dict[str, str]:
    return {item.name: (item.code or item.status).value for item in result.items}


async def test_all_commands_of_a_batch_are_done_each_with_a_result_of_its_own(started):
    result = await batch(started, create("db"), create("web", "db"))
    assert (ResultStatus.SUCCEEDED, {"db": "succeeded", "web": "succeeded"}) == (result.status, ends(result))
    assert [True, True] == [done(await started.client.result(f"b1-{name}")).changed for name in ("db", "web")]


async def test_what_depends_on_a_service_begins_when_that_has_converged(started):
    await batch(started, create("db", wait="converged"), create("web", "db"))
    db, web = [done(await started.client.result(f"b1-{name}")) for name in ("db", "web")]
    assert db.convergence is not None
    assert db.convergence.at is not None
    assert ("converged", True) == (db.convergence.status, db.convergence.at < web.finished_at)


async def test_nothing_is_done_where_one_is_refused_and_each_reason_is_told(started):
    result = await batch(started, create("db"), scale("web"), create("x", networks=["none-such"]))
    expected = {"db": "dependency-failed", "web": "unknown-service", "x": "invalid"}
    assert (ResultStatus.REFUSED, expected, False) == (result.status, ends(result), result.changed)
    assert "there is no network 'none-such'" in (result.reason or "")
    assert (None, None) == (started.service("db"), await started.client.result("b1-db"))


async def test_nothing_is_done_where_two_would_publish_one_port(started):
    result = await batch(started, create("db", ports=["8000:80"]), create("web", "db", ports=["8000:80"]))
    assert (ResultStatus.REFUSED, {"db": "dependency-failed", "web": "conflict"}) == (result.status, ends(result))
    assert {} == started.cluster.store.services


async def test_a_quota_is_of_what_is_there_when_a_command_has_its_turn(swarm, tmp_path):
    policy = tmp_path / "admission.yml"
    policy.write_text("quotas: {shop: {replicas: 10}}")
    swarm.start(patience=QUICK, policy=policy)
    await swarm.active()
    done(await swarm.client.create(ServiceSpec(name="shop_a", image="nginx:1", replicas=9)))
    remove = BatchItem(name="old", command={"verb": "remove", "target": "shop_a"})
    at_once = await batch(swarm, remove, create("shop_b", replicas=9), command_id="b1")
    in_turn = await batch(swarm, remove, create("shop_b", "old", replicas=9), command_id="b2")
    assert (Code.ADMISSION, ResultStatus.SUCCEEDED) == (at_once.code, in_turn.status)


async def test_a_command_may_be_for_what_an_earlier_one_creates(started):
    result = await batch(started, create("web"), scale("more", "web", target="web", replicas=4))
    assert (ResultStatus.SUCCEEDED, 4) == (result.status, started.replicas("web"))


async def test_a_service_can_be_replaced(started):
    done(await started.client.create(ServiceSpec(name="web", image="nginx:1")))
    remove = BatchItem(name="old", command={"verb": "remove", "target": "web"})
    assert ResultStatus.SUCCEEDED is (await batch(started, remove, create("web", "old", image="nginx:2"))).status
    assert "nginx:2" in started.service("web").spec["TaskTemplate"]["ContainerSpec"]["Image"]


async def test_what_depends_on_a_failure_is_not_done(started):
    result = await batch(started, create("db", wait="converged", image="missing:1"), create("web", "db"), create("x"))
    expected = {"db": "not-converged", "web": "dependency-failed", "x": "succeeded"}
    assert (ResultStatus.FAILED, expected) == (result.status, ends(result))
    assert ("not done: db failed", None) == (result.items[1].reason, started.service("web"))
    assert "No such image: missing:1" in (result.items[0].reason or "")


async def test_a_dry_run_of_a_batch_tells_the_plans_and_does_nothing(started):
    result = await batch(started, create("db"), create("web", "db"), dry_run=True)
    assert (ResultStatus.SUCCEEDED, None) == (result.status, started.service("db"))
    assert all(item.plan for item in result.items)


async def test_a_repeated_batch_is_answered_and_not_done_again(started):
    first = await batch(started, create("db"))
    started.cluster.remove_service(started.service("db").id)
    assert (first, None) == (await batch(started, create("db")), started.service("db"))


async def test_commands_that_do_not_depend_on_each_other_do_not_wait_for_each_other(started):
    items = [create("slow", wait="converged", image="missing:1"), create("quick")]
    await batch(started, *items)
    slow, quick = [done(await started.client.result(f"b1-{name}")) for name in ("slow", "quick")]
    assert slow.convergence is not None
    assert slow.convergence.at is not None
    assert quick.finished_at < slow.convergence.at


async def test_a_batch_takes_up_no_services_turn(started):
    waiting = asyncio.create_task(batch(started, create("shop", wait="converged", image="missing:1")))
    await until(lambda: started.client.result("b1-shop"), "the service of the batch's own name")
    assert done(await started.client.remove("shop")).changed
    assert {"shop": "not-converged"} == ends(await waiting)


LABELS = {
    "before the check": (Batches, "_check"),
    "before it is noted": (NatsStore, "note"),
    "after it is noted": (Batches, "_go_on"),
    "before a command is handed over": (NatsStore, "submit"),
    "before a result": (NatsStore, "store"),
}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("label", LABELS)
async def test_a_scheduler_that_dies_at_any_point_leaves_each_effect_once(swarm, monkeypatch, label, nth):
    monkeypatch.setattr("services.scheduler.loop.FINISH_S", 0.1)
    owner, name = LABELS[label]
    real, calls, dead = getattr(owner, name), [], asyncio.Event()

    async def dies(self, *arguments):
        calls.append(arguments)
        if len(calls) == nth:  # as if it were killed right here
            dead.set()
            await asyncio.Event().wait()
        return await real(self, *arguments)

    monkeypatch.setattr(owner, name, dies)
    swarm.start("one", QUICK)
    await swarm.active()
    items = [create("db"), create("cache"), scale("more", "db", target="db"), create("web", "more", "cache")]
    waiting = asyncio.create_task(batch(swarm, *items))
    await asyncio.wait({waiting, asyncio.create_task(dead.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        await swarm.stop("one")
        swarm.start("two", QUICK)
    result = await waiting
    assert (ResultStatus.SUCCEEDED, {item.name: "succeeded" for item in items}) == (result.status, ends(result))
    services = sorted(service.spec["Name"] for service in swarm.cluster.store.services.values())
    assert (["cache", "db", "web"], 3) == (services, swarm.replicas("db"))
    assert [True] * 4 == [item.changed for item in result.items]


async def test_a_batch_survives_kills_of_the_scheduler(swarm):
    process = await swarm.spawn()
    await swarm.active()
    names = [f"s{number}" for number in range(12)]
    items = [create(name, *names[max(0, at - 1) : at]) for at, name in enumerate(names)]
    waiting = asyncio.create_task(batch(swarm, *items))
    for name in (names[2], names[7]):
        await until(partial(swarm.client.result, f"b1-{name}"), name, 120)
        process.kill()
        process = await swarm.spawn()
    assert dict.fromkeys(names, "succeeded") == ends(await waiting)
    assert len(names) == len(swarm.cluster.store.services)


async def test_of_too_many_batches_at_once_the_last_is_refused(swarm, monkeypatch):
    monkeypatch.setattr("services.scheduler.batches.BATCHES_MAX", 1)
    swarm.start(patience=Patience(stable_s=0.5, stalled_s=PATIENCE_S, settle_s=PATIENCE_S))
    await swarm.active()
    waiting = asyncio.create_task(batch(swarm, create("db", wait="converged", image="missing:1")))
    await until(lambda: swarm.client.result("b1-db"), "the first batch to begin")
    assert Code.CONFLICT == (await batch(swarm, create("web"), command_id="b2")).code
    done(await swarm.client.remove("db"))
    await waiting


async def test_nothing_is_done_where_admission_refuses_one(started):
    socket = [{"type": "bind", "source": "/var/run/docker.sock", "target": "/docker.sock"}]
    result = await batch(started, create("db"), create("spy", mounts=socket))
    assert (ResultStatus.REFUSED, Code.ADMISSION) == (result.status, result.code)
    assert {"db": "dependency-failed", "spy": "admission-refused"} == ends(result)
    assert started.service("db") is None
