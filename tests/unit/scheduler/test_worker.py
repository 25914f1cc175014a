"""The worker: order in a lane, lanes apart, holds, retries, results before acks."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funswarm.errors import Unavailable
from funswarm.messages import Code, ResultStatus
from services.scheduler.fold import Services
from services.scheduler.lanes import LANE_MAX
from services.scheduler.metrics import Metrics
from services.scheduler.safe_write import SafeWriter
from services.scheduler.targets import Targets
from services.scheduler.worker import Worker
from tests.unit.scheduler.fakes import SUBJECTS, Clock, FakeEngine, FakeStore, Feed, command
from tests.unit.scheduler.raw import service, spec
from tests.waiting import until


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr("services.scheduler.safe_write.RETRY_S", 0)
    monkeypatch.setattr("services.scheduler.worker.RETRY_S", 0.001)
    monkeypatch.setattr("services.scheduler.worker.HELD_CHECK_S", 0.01)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("services.scheduler.worker.datetime", clock := Clock())
    return clock


class Scene:
    def __init__(self, *services: dict[str, Any]) -> None:
        self.engine, self.store, self.feed, self.metrics = FakeEngine(*services), FakeStore(), Feed(), Metrics()
        writer = SafeWriter(self.engine, self.store, lambda: True, Services())
        self.worker = Worker(SUBJECTS, self.store, writer, self.metrics, Targets(self.engine, Services()).lane_of)

    async def results(self, count: int) -> list[Any]:
        await until(lambda: len(self.store.order) >= count, f"{count} results")
        return [self.store.results[one] for one in self.store.order]

    @property
    def replicas(self) -> int:
        count: int = self.engine.services["web"]["Spec"]["Mode"]["Replicated"]["Replicas"]
        return count

    def settle(self) -> None:
        self.engine.services["web"]["UpdateStatus"] = {"State": "completed"}

    def settle_and_tell(self) -> None:
        self.settle()
        self.worker.look_again({"web"})


@asynccontextmanager
async def working(*services: dict[str, Any]):
    scene = Scene(*services)
    work = asyncio.create_task(scene.worker.run(scene.feed))
    try:
        yield scene
    finally:
        scene.worker.stop()
        await work


def _other(name: str) -> dict[str, Any]:
    return {**service(), "ID": name, "Spec": {**spec(), "Name": name}}


async def test_a_command_ends_in_a_result_and_an_ack():
    async with working(service()) as scene:
        (delivery,) = scene.feed.put(command("scale", replicas=4))
        (result,) = await scene.results(1)
        await until(lambda: delivery.acked, "the ack")
    assert (ResultStatus.SUCCEEDED, True, 7, "web") == (
        result.status, result.changed, result.written_from, result.service_name,
    )  # fmt: skip


async def test_nothing_is_acknowledged_before_its_result_is_stored():
    async with working(service()) as scene:
        scene.store.before = lambda what: (_ for _ in ()).throw(Unavailable("NATS")) if what == "store" else None
        (delivery,) = scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.retries._value.get() > 2, "tries in vain")
        assert not delivery.acked
        scene.store.before = lambda _: None
        await scene.results(1)
    assert ["update"] == scene.engine.writes


async def test_a_command_that_has_a_result_is_only_acknowledged():
    async with working(service()) as scene:
        scene.feed.put(command("scale", replicas=4))
        await scene.results(1)
        (again,) = scene.feed.put(command("scale", replicas=4))
        await until(lambda: again.acked, "the ack")
    assert 1 == len(scene.engine.writes)


async def test_commands_for_one_service_are_done_in_order():
    async with working(service()) as scene:
        scene.feed.put(*(command("scale", f"c{number}", replicas=number) for number in range(10, 30)))
        await scene.results(20)
    assert ([f"c{number}" for number in range(10, 30)], 29) == (scene.store.order, scene.replicas)


async def test_name_and_id_of_a_service_are_one_lane():
    id_ = "a" * 25
    async with working({**service("paused"), "ID": id_}) as scene:
        scene.feed.put(command("scale", "first", replicas=4), command("scale", "second", target=id_, replicas=2))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        assert scene.store.order == []


async def test_a_held_command_does_not_keep_other_services_waiting():
    async with working(service("paused"), _other("api")) as scene:
        scene.feed.put(command("scale", "held", replicas=4), command("scale", "free", target="api", replicas=4))
        assert ["free"] == [result.command_id for result in await scene.results(1)]


async def test_many_held_services_hold_no_slots():
    names = [f"s{number}" for number in range(100)]
    held = [{**service("paused"), "ID": name, "Spec": {**spec(), "Name": name}} for name in names]
    async with working(*held, _other("api")) as scene:
        scene.feed.put(*(command("scale", name, target=name, replicas=4) for name in names))
        scene.feed.put(command("scale", "free", target="api", replicas=4))
        assert "free" == (await scene.results(1))[0].command_id


async def test_a_held_command_is_done_when_the_rollout_settles():
    async with working(service("updating")) as scene:
        scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        scene.settle()
        assert (await scene.results(1))[0].changed
    assert (4, 0) == (scene.replicas, scene.metrics.held._value.get())


@pytest.fixture
def long_fallback(monkeypatch):
    monkeypatch.setattr("services.scheduler.worker.HELD_CHECK_S", 600.0)


@pytest.mark.usefixtures("long_fallback")
async def test_a_held_command_goes_on_when_its_service_is_told_to_have_changed():
    async with working(service("updating")) as scene:
        scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        scene.settle()
        scene.worker.look_again({"other", "web"})
        assert (await scene.results(1))[0].changed


@pytest.mark.usefixtures("long_fallback")
async def test_what_is_told_while_a_held_command_is_tried_is_not_missed():
    async with working(service("updating")) as scene:
        scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        scene.engine.read = scene.settle_and_tell
        scene.worker.look_again({"web"})
        assert (await scene.results(1))[0].changed


@pytest.mark.usefixtures("long_fallback")
async def test_a_held_command_is_refused_at_its_deadline_also_where_nothing_is_told(clock):
    deadline = datetime.now(UTC) + timedelta(hours=1)

    def soon():
        clock.ahead = clock.ahead or deadline - datetime.now(UTC) - timedelta(seconds=0.05)

    async with working(service("paused")) as scene:
        scene.engine.read = soon
        scene.feed.put(command("scale", replicas=4, deadline=deadline))
        assert Code.ROLLOUT == (await scene.results(1))[0].code


async def test_a_held_command_is_refused_at_its_deadline(clock):
    async with working(service("paused")) as scene:
        scene.feed.put(command("scale", replicas=4, deadline=datetime.now(UTC) + timedelta(hours=1)))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        clock.ahead = timedelta(hours=1)
        (result,) = await scene.results(1)
    assert (ResultStatus.REFUSED, Code.ROLLOUT, []) == (result.status, result.code, scene.engine.writes)


async def test_a_rollback_goes_past_what_is_held():
    async with working(service("paused", previous=spec(9))) as scene:
        scene.feed.put(command("scale", "held", replicas=4), command("rollback", "back"))
        await scene.results(1)
        scene.settle()
        await scene.results(2)
    assert (["back", "held"], ["rollback", "update"]) == (scene.store.order, scene.engine.writes)


@pytest.mark.parametrize("later", [command("scale", "later", replicas=7, force=True), command("remove", "later")])
async def test_force_and_removal_end_what_is_held_before_them(later):
    async with working(service("paused")) as scene:
        scene.feed.put(command("scale", "held", replicas=4), later)
        first, second = await scene.results(2)
    assert ("held", Code.ROLLOUT, True) == (first.command_id, first.code, "overtaken" in first.reason)
    assert ("later", ResultStatus.SUCCEEDED) == (second.command_id, second.status)


async def test_too_many_commands_for_a_service_that_waits_are_refused_at_once():
    async with working(service("paused")) as scene:
        scene.feed.put(command("scale", "c0", replicas=4))
        await until(scene.metrics.held._value.get, "the first to be held")
        scene.feed.put(*(command("scale", f"c{number}", replicas=4) for number in range(1, LANE_MAX + 1)))
        (result,) = await scene.results(1)
    assert (f"c{LANE_MAX}", ResultStatus.REFUSED, Code.CONFLICT) == (result.command_id, result.status, result.code)


async def test_commands_that_came_while_nobody_worked_are_all_done():
    count = LANE_MAX + 50
    async with working(service()) as scene:
        scene.feed.put(*(command("scale", f"c{number}", replicas=number) for number in range(count)))
        results = await scene.results(count)
    assert {ResultStatus.SUCCEEDED} == {result.status for result in results}


async def test_a_command_that_has_a_result_keeps_it_where_too_many_wait():
    async with working(service("paused"), _other("api")) as scene:
        scene.feed.put(command("scale", "done", target="api", replicas=4))
        (before,) = await scene.results(1)
        scene.feed.put(command("scale", "c0", target="web", replicas=4))
        await until(scene.metrics.held._value.get, "the first to be held")
        scene.feed.put(*(command("scale", f"c{number}", target="web", replicas=4) for number in range(1, LANE_MAX)))
        (again,) = scene.feed.put(command("scale", "done", target="web", replicas=4))
        await until(lambda: again.acked, "the ack")
    assert before == scene.store.results["done"]


async def test_an_engine_that_is_away_is_waited_for():
    async with working(service()) as scene:
        scene.engine.before = lambda: (_ for _ in ()).throw(Unavailable("engine"))
        scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.retries._value.get() > 2, "tries in vain")
        scene.engine.before = lambda: None
        assert (await scene.results(1))[0].changed


async def test_an_engine_that_stays_away_fails_the_command_at_its_deadline():
    async with working(service()) as scene:
        scene.engine.before = lambda: (_ for _ in ()).throw(Unavailable("the engine is away"))
        scene.feed.put(command("scale", replicas=4, deadline=datetime.now(UTC) + timedelta(seconds=0.1)))
        (result,) = await scene.results(1)
    assert result.code in (Code.UNAVAILABLE, Code.DEADLINE)


async def test_a_fault_of_ours_ends_in_a_dead_letter_and_a_result():
    async with working(service()) as scene:
        scene.engine.before = lambda: (_ for _ in ()).throw(RuntimeError("a bug"))
        scene.feed.put(command("scale", replicas=4))
        (result,) = await scene.results(1)
    assert (Code.INTERNAL, ["scale"]) == (result.code, [letter.subject.split(".")[2] for letter in scene.store.letters])


async def test_another_command_with_the_id_of_a_held_one_is_turned_away():
    async with working(service("paused"), _other("api")) as scene:
        scene.feed.put(command("scale", "c1", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        (other,) = scene.feed.put(command("scale", "c1", target="api", replicas=9))
        await until(lambda: other.acked, "the ack")
        assert ([], {}) == (scene.engine.writes, scene.store.results)
    (refused,) = scene.store.turned_away
    assert (ResultStatus.REFUSED, Code.CONFLICT, "api") == (refused.status, refused.code, refused.target)
    assert "scale web" in refused.reason


async def test_the_held_command_is_done_after_another_of_its_id_was_turned_away():
    async with working(service("paused"), _other("api")) as scene:
        scene.feed.put(command("scale", replicas=4), command("remove", target="web"), command("remove", target="api"))
        await until(lambda: len(scene.store.turned_away) == 2, "the others to be turned away")
        scene.settle()
        assert (await scene.results(1))[0].changed
    assert (4, ["update"]) == (scene.replicas, scene.engine.writes)


async def test_another_command_with_the_id_of_one_that_is_done_is_turned_away():
    async with working(service(), _other("api")) as scene:
        scene.feed.put(command("scale", replicas=4))
        await scene.results(1)
        scene.feed.put(command("scale", target="api", replicas=9))
        await until(lambda: scene.store.turned_away, "the other to be turned away")
        await until(lambda: len(scene.store.records) == 2, "the records")
    assert (["update"], ["web", "api"]) == (scene.engine.writes, [record.target for record in scene.store.records])


async def test_what_is_malformed_does_not_end_a_held_command_of_its_id():
    async with working(service("paused")) as scene:
        scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
        malformed = scene.feed.put_raw(SUBJECTS.command("scale", "web"), b'{"id": "c1", "replicas": -1}')
        await until(lambda: malformed.acked, "the ack")
        scene.settle()
        assert (await scene.results(1))[0].changed


async def test_a_malformed_command_ends_in_a_dead_letter_and_a_result():
    async with working() as scene:
        delivery = scene.feed.put_raw(SUBJECTS.command("scale", "web"), b'{"id": "c1", "replicas": -1}')
        (result,) = await scene.results(1)
        await until(lambda: delivery.acked, "the ack")
    assert (ResultStatus.REFUSED, Code.INVALID, 1) == (result.status, result.code, len(scene.store.letters))


async def test_what_was_not_done_at_a_stop_stays_unacknowledged():
    async with working(service("paused")) as scene:
        (delivery,) = scene.feed.put(command("scale", replicas=4))
        await until(lambda: scene.metrics.held._value.get() == 1, "the hold")
    assert (False, []) == (delivery.acked, scene.store.order)
