"""One command against the engine: conflicts, crashes at each line, and copies that were superseded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funswarm.changes import SnapshotEnd, Snapshotted
from funswarm.commands import SingleCommand
from funswarm.errors import Failed, Refused, Unavailable, UnknownObject
from funswarm.messages import Code
from services.scheduler import safe_write
from services.scheduler.fold import Services
from services.scheduler.ports import Superseded
from services.scheduler.safe_write import SafeWriter
from tests.builders import a_service
from tests.unit.scheduler.fakes import FakeEngine, FakeStore, Killed, command, told
from tests.unit.scheduler.raw import service, spec

WEB = {"name": "web", "image": "nginx:1"}
pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr("services.scheduler.safe_write.RETRY_S", 0)


def _writer(engine: FakeEngine, store: FakeStore | None = None, *, active: bool = True) -> SafeWriter:
    return SafeWriter(engine, store or FakeStore(), lambda: active, told("web"))


def _replicas(engine: FakeEngine) -> int:
    count: int = engine.services["web"]["Spec"]["Mode"]["Replicated"]["Replicas"]
    return count


def _outside_write(engine: FakeEngine, times: int) -> Any:
    left = [times]

    def write() -> None:
        if left[0]:
            left[0] -= 1
            engine.services["web"]["Version"]["Index"] += 1

    return write


async def test_a_scale_is_written():
    engine = FakeEngine(service())
    outcome = await _writer(engine).attempt(command("scale", replicas=5), None)
    assert (True, 5, 7) == (outcome.changed, _replicas(engine), outcome.written_from)


async def test_a_dry_run_tells_and_writes_nothing():
    engine = FakeEngine(service())
    outcome = await _writer(engine).attempt(command("scale", replicas=5, dry_run=True), None)
    assert (False, 5, []) == (outcome.changed, outcome.changes[0].after, engine.writes)


async def test_a_held_write_is_told_and_not_done():
    engine = FakeEngine(service("paused"))
    outcome = await _writer(engine).attempt(command("scale", replicas=5), None)
    assert (True, []) == (bool(outcome.held), engine.writes)


async def test_a_conflict_is_read_again_and_decided_again():
    engine = FakeEngine(service())
    engine.before = _outside_write(engine, 4)
    await _writer(engine).attempt(command("scale", replicas=5), None)
    assert (5, ["update"]) == (_replicas(engine), engine.writes)


async def test_endless_conflicts_end():
    engine = FakeEngine(service())
    engine.before = _outside_write(engine, 99)
    with pytest.raises(Failed, match="5 times"):
        await _writer(engine).attempt(command("scale", replicas=5), None)


async def test_a_superseded_copy_writes_nothing():
    engine = FakeEngine(service())
    with pytest.raises(Superseded):
        await _writer(engine, active=False).attempt(command("scale", replicas=5), None)
    assert engine.writes == []


async def test_a_passed_deadline_is_refused():
    past = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(Refused, match="deadline") as caught:
        await _writer(FakeEngine(service())).attempt(command("restart", deadline=past), None)
    assert Code.DEADLINE == caught.value.code


async def test_a_deadline_without_zone_is_utc():
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None)
    assert (await _writer(FakeEngine(service())).attempt(command("restart", deadline=later), None)).changed


async def test_a_done_command_is_done_also_after_its_deadline():
    past = datetime.now(UTC) - timedelta(seconds=1)
    engine = FakeEngine(service(by="c1"))
    assert (await _writer(engine).attempt(command("restart", deadline=past), None)).changed


async def test_a_creation_is_not_read_for_the_engine_tells_a_taken_name():
    engine = FakeEngine()
    reads: list[str] = []
    engine.read = lambda: reads.append("read")
    outcome = await _writer(engine).attempt(command("create", service=WEB), None)
    assert ([], "id0", True) == (reads, outcome.created_id, outcome.changed)


async def test_a_done_creation_is_done_also_after_its_deadline():
    engine = FakeEngine()
    await _writer(engine).attempt(command("create", service=WEB), None)
    late = command("create", service=WEB, deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert (await _writer(engine).attempt(late, None)).changed


async def test_a_taken_name_is_refused():
    with pytest.raises(Refused, match="already") as refused:
        await _writer(FakeEngine(service())).attempt(command("create", service=WEB), None)
    assert Code.NAME_TAKEN == refused.value.code


async def test_an_unknown_service_gets_a_suggestion():
    with pytest.raises(UnknownObject, match="did you mean 'web'"):
        await _writer(FakeEngine(service())).attempt(command("restart", target="wep"), None)


async def test_a_network_is_not_said_to_be_missing_while_the_swarm_does_not_answer():
    engine, reads = FakeEngine(), []

    def read() -> None:
        reads.append(1)
        if len(reads) == 2:
            raise Unavailable("the Swarm does not have a leader")

    engine.read = read
    with pytest.raises(Unavailable):
        await _writer(engine).attempt(command("create", service={**WEB, "networks": ["front"]}), None)


async def test_networks_are_resolved():
    engine = FakeEngine()
    engine.networks = {"front": "n1"}
    await _writer(engine).attempt(command("create", service={**WEB, "networks": ["front"]}), None)
    assert "n1" == engine.services["web"]["Spec"]["TaskTemplate"]["Networks"][0]["Target"]


COMMANDS = [
    command("create", target="new", service={"name": "new", "image": "x"}),
    command("scale", replicas=5),
    command("restart"),
    command("update", changes={"image": "nginx:2"}),
    command("rollback"),
    command("remove"),
]


def _raise(error: BaseException) -> Any:
    def hook() -> None:
        raise error

    return hook


@pytest.mark.parametrize("asked", COMMANDS, ids=lambda one: one.verb)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_around_the_write_leaves_one_effect(asked: SingleCommand, when: str):
    engine, store = FakeEngine(service(previous=spec(9))), FakeStore()
    setattr(engine, when, _raise(Killed()))
    with pytest.raises(Killed):
        await _writer(engine, store).attempt(asked, None)
    setattr(engine, when, lambda: None)
    outcome = await _writer(engine, store).attempt(asked, None)
    assert (True, 1) == (outcome.changed, len(engine.writes))


@pytest.mark.parametrize("asked", COMMANDS, ids=lambda one: one.verb)
async def test_an_unanswered_write_leaves_one_effect(asked: SingleCommand):
    engine, store = FakeEngine(service(previous=spec(9))), FakeStore()
    engine.after = _raise(Unavailable("timed out"))
    with pytest.raises(Unavailable):
        await _writer(engine, store).attempt(asked, None)
    engine.after = lambda: None
    assert (await _writer(engine, store).attempt(asked, None)).changed
    assert 1 == len(engine.writes)


async def test_a_done_scale_is_not_done_again_over_a_later_one():
    engine = FakeEngine(service())
    await _writer(engine).attempt(command("scale", "a", replicas=3), None)
    await _writer(engine).attempt(command("scale", "b", replicas=7), None)
    await _writer(engine).attempt(command("scale", "a", replicas=3), None)
    assert 7 == _replicas(engine)


async def test_a_removal_that_was_noted_spares_a_new_service():
    engine, store = FakeEngine(service()), FakeStore()
    await _writer(engine, store).attempt(command("remove"), None)
    await _writer(engine, store).attempt(command("create", "c2", service=WEB), None)
    await _writer(engine, store).attempt(command("remove"), None)
    assert ["web"] == list(engine.services)


# A rollout that is about to begin: Swarm tells of it a moment after the write.
def _just_written(**fields: Any) -> dict[str, Any]:
    return {**service(previous=spec(image="nginx:0"), **fields), "UpdatedAt": datetime.now(UTC).isoformat()}


async def test_a_rollout_that_is_about_to_begin_is_waited_for_and_holds():
    engine, reads = FakeEngine(_just_written()), []

    def read() -> None:
        reads.append(1)
        if len(reads) == 2:
            engine.services["web"]["UpdateStatus"] = {"State": "updating"}

    engine.read = read
    outcome = await _writer(engine).attempt(command("scale", replicas=5), None)
    assert ("updating" in (outcome.held or ""), []) == (True, engine.writes)


async def test_a_new_spec_that_brings_no_rollout_holds_nothing(monkeypatch):
    monkeypatch.setattr(safe_write, "BEGIN_S", 0.06)
    assert (await _writer(FakeEngine(_just_written())).attempt(command("scale", replicas=5), None)).changed


@pytest.mark.parametrize("asked", [command("scale", replicas=5, force=True), command("rollback"), command("remove")])
async def test_what_no_rollout_holds_does_not_wait_for_one(asked):
    engine, reads = FakeEngine(_just_written()), []
    engine.read = lambda: reads.append(1)
    await _writer(engine).attempt(asked, None)
    assert 1 == len(reads)


async def test_a_service_that_was_written_long_ago_is_read_once():
    engine, reads = FakeEngine({**_just_written(), "UpdatedAt": "2020-01-01T00:00:00.123456789Z"}), []
    engine.read = lambda: reads.append(1)
    await _writer(engine).attempt(command("scale", replicas=5), None)
    assert 1 == len(reads)


class Asked(FakeEngine):
    """Keeps by what it was asked."""

    def __init__(self, *services: dict[str, Any]) -> None:
        super().__init__(*services)
        self.asked: list[str] = []

    async def service_json(self, name_or_id: str) -> dict[str, Any] | None:
        self.asked.append(name_or_id)
        return await super().service_json(name_or_id)


@pytest.mark.parametrize(("its_id", "asked"), [("service-web", ["service-web"]), ("a-new-one", ["service-web", "web"])])
async def test_a_service_is_read_by_the_id_that_the_feed_told_while_it_has_that(its_id: str, asked: list[str]):
    engine, feed = Asked({**service(), "ID": its_id}), Services()
    for item in (Snapshotted(a_service("web")), SnapshotEnd(0)):
        feed.take(item)
    await SafeWriter(engine, FakeStore(), lambda: True, feed).attempt(command("scale", replicas=5), None)
    assert (asked, 5) == (engine.asked, _replicas(engine))
