"""What commands for nodes come to, and that their writes are exact."""

from typing import Any

import pytest

from funswarm.errors import InvalidRequest, Refused
from funswarm.messages import Code
from services.engine.others import node_state
from services.scheduler.fold import Services
from services.scheduler.plan_node import DRAIN_LABEL, WriteNode, plan_node
from services.scheduler.safe_write import SafeWriter
from services.scheduler.targets import Targets
from tests.unit.scheduler.fakes import FakeEngine, FakeStore, command
from tests.unit.scheduler.raw import node

OTHER = node_state(node("two", "n2"))


def _plan(verb: str, raw: dict[str, Any] | None, *others: Any, **fields: Any) -> WriteNode | None:
    return plan_node(command(verb, target="one", **fields), raw, others or (OTHER,), " (near)")  # type: ignore[arg-type]


def _written(verb: str, raw: dict[str, Any], *others: Any, **fields: Any) -> WriteNode:
    write = _plan(verb, raw, *others, **fields)
    assert write is not None
    return write


@pytest.mark.parametrize(("verb", "availability"), [("pause", "pause"), ("drain", "drain")])
def test_a_command_for_a_node_writes_its_availability(verb, availability):
    assert availability == _written(verb, node()).spec["Availability"]


def test_an_activation_makes_a_node_active():
    assert "active" == _written("activate", node(availability="drain")).spec["Availability"]


def test_what_else_the_node_s_spec_has_stays():
    raw = node(Labels={"a": "1"}, Name="first", New={"of": "a later engine"})
    assert {**raw["Spec"], "Availability": "drain"} == _written("drain", raw).spec


def test_a_write_is_from_exactly_the_version_that_was_read():
    write = _written("drain", node())
    assert ("n1", 4) == (write.node_id, write.version)


def test_what_is_so_already_is_not_written():
    assert _plan("drain", node(availability="drain")) is None


def test_a_node_that_is_not_there_is_unknown():
    with pytest.raises(Refused, match="there is no node 'one' \\(near\\)") as caught:
        _plan("drain", None)
    assert Code.UNKNOWN_NODE == caught.value.code


@pytest.mark.parametrize("expect", [{"version": 3}, {"absent": True}])
def test_an_expectation_that_does_not_hold_is_refused(expect):
    with pytest.raises(Refused) as caught:
        _plan("drain", node(), expect=expect)
    assert Code.EXPECTATION == caught.value.code


def test_a_node_has_no_replicas_to_expect():
    with pytest.raises(InvalidRequest):
        _plan("drain", node(), expect={"replicas": 1})


def test_to_leave_no_node_that_takes_tasks_is_warned_of():
    paused = node_state(node("two", "n2", availability="pause"))
    assert "no other node is ready and active" in _written("drain", node(), paused).warnings[0]


def test_another_node_that_takes_tasks_is_enough():
    assert () == _written("drain", node()).warnings


# With the engine.
@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr("services.scheduler.safe_write.RETRY_S", 0)
    engine = FakeEngine()
    engine.nodes = {"one": node(), "two": node("two", "n2")}
    engine.nodes["n1"] = engine.nodes["one"]
    return engine


def _writer(engine: FakeEngine) -> SafeWriter:
    return SafeWriter(engine, FakeStore(), lambda: True, Services())


async def test_a_drain_however_often_it_is_delivered_is_one_write(engine):
    outcomes = [await _writer(engine).attempt(command("drain", target="one"), None) for _ in range(2)]
    assert (["node drain"], [True, False]) == (engine.writes, [outcome.changed for outcome in outcomes])


async def test_a_conflict_is_read_again_and_decided_again(engine):
    def label() -> None:
        engine.before = lambda: None
        engine.nodes["one"] |= {"Version": {"Index": 5}, "Spec": {**engine.nodes["one"]["Spec"], "Labels": {"a": "1"}}}

    engine.before = label
    await _writer(engine).attempt(command("drain", target="one"), None)
    assert ({"a": "1"}, "drain") == (engine.nodes["one"]["Spec"]["Labels"], engine.nodes["one"]["Spec"]["Availability"])


async def test_a_dry_run_tells_and_writes_nothing(engine):
    outcome = await _writer(engine).attempt(command("pause", target="one", dry_run=True), None)
    assert ([], "pause") == (engine.writes, outcome.changes[0].after)


async def test_a_node_that_is_not_there_gets_a_suggestion(engine):
    with pytest.raises(Refused, match="did you mean 'two'"):
        await _writer(engine).attempt(command("pause", target="twoo"), None)


async def test_a_hostname_and_an_id_of_one_node_are_one_lane(engine):
    node_id = "n" * 25
    engine.nodes[node_id] = engine.nodes["one"]
    targets = Targets(engine, Services())
    lanes = [await targets.lane_of(command("drain", target=target)) for target in ("one", node_id)]
    assert ["node:one", "node:one"] == lanes


async def test_a_node_and_a_service_of_one_name_are_two_lanes(engine):
    targets = Targets(engine, Services())
    assert "one" == await targets.lane_of(command("restart", target="one"))


def test_a_graceful_drain_pauses_and_marks_the_node():
    spec = _written("drain", node(Labels={"a": "1"}), graceful=True).spec
    assert ("pause", {"a": "1", DRAIN_LABEL: "c1"}) == (spec["Availability"], spec["Labels"])


@pytest.mark.parametrize("there", [{"availability": "drain"}, {"availability": "pause", "Labels": {DRAIN_LABEL: "c0"}}])
def test_a_graceful_drain_that_is_done_or_under_way_is_not_begun_again(there):
    assert _plan("drain", node(**there), graceful=True) is None


@pytest.mark.parametrize("verb", ["pause", "drain", "activate"])
def test_any_other_command_ends_a_graceful_drain(verb):
    assert {} == _written(verb, node(availability="pause", Labels={DRAIN_LABEL: "c0"})).spec["Labels"]
