"""How a node is drained so that no service has a task too few: the story, and laws over random ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.commands import ActivateCommand, DrainCommand, PauseCommand
from services.scheduler.plan_node import DRAIN_LABEL
from services.scheduler.policies.drain import Drain
from services.scheduler.policies.drain_memory import BASE_LABEL
from services.scheduler.policies.evaluate import evaluate
from tests.builders import a_node, a_service, a_task
from tests.floors import a_case
from tests.unit.scheduler.policies.surge_model import Model

CRASHES = st.lists(st.sampled_from(["", "", "before keeping", "before sending", "after sending"]), max_size=20)
GRACEFUL = DrainCommand(id="please", target="h1", graceful=True)


def a_model(*counts):
    """So many tasks on h1, h2 …; h1 is to be drained."""
    names = [f"h{number + 1}" for number in range(len(counts))]
    model = Model(Drain, dict(zip(names, counts, strict=True)), [a_node(name) for name in names])
    model.node(GRACEFUL)
    return model


def state(model):
    return model.service.replicas, model.nodes[0].availability, BASE_LABEL in model.service.labels


def test_the_only_task_runs_elsewhere_before_the_node_is_drained():
    model = a_model(1, 0)
    model.step()
    assert ((2, "pause", True), {"h1": 1, "h2": 1}) == (state(model), dict(model.counts()))
    model.run(10)
    assert ((1, "drain", False), {"h2": 1}, 1) == (state(model), dict(model.counts()), model.least)
    assert ({}, {}) == (model.nodes[0].labels, model.record.memories)


def test_a_node_without_tasks_is_drained_at_once():
    model = a_model(0, 2)
    model.step()
    assert (2, "drain", False) == state(model)


def test_a_service_that_does_not_care_is_not_waited_for():
    model = a_model(1, 0)
    model.write(labels={"funswarm.drain": "false"})
    model.run(5)
    assert ((1, "drain", False), 1) == (state(model), model.most)


def test_where_there_are_none_but_global_services_the_node_is_drained():
    nodes = [a_node(availability="pause", labels={DRAIN_LABEL: "please"}), a_node("beta")]
    service = a_service(mode="global", replicas=None)
    tasks = [a_task(slot=None, node=name) for name in ("alpha", "beta")]
    plan = evaluate(a_case(service, (Drain(),), tasks=[*nodes, *tasks]))
    assert isinstance(plan.command, DrainCommand)
    assert ("node-alpha", False) == (plan.command.target, plan.command.graceful)


def test_it_waits_for_tasks_that_do_not_run_yet_and_then_gives_up():
    model = a_model(2, 0)
    model.starts = False
    model.run(20)
    assert (4, "pause", True) == state(model)
    model.run(60)
    assert "active" == model.nodes[0].availability
    assert any("given up" in reason for reason in model.reasons)
    model.start()
    model.run(5)
    assert ((2, "active", False), 2) == (state(model), model.least)


def test_a_service_that_can_never_be_surged_does_not_leave_the_node_paused_for_ever():
    model = a_model(1, 0)
    model.write(update_status={"state": "paused"})
    model.run(70)
    assert (1, "active", False) == state(model)


@pytest.mark.parametrize("command", [ActivateCommand(id="no", target="h1"), PauseCommand(id="no", target="h1")])
def test_to_activate_or_pause_the_node_ends_it(command):
    model = a_model(3, 1)
    model.starts = False
    model.run(2)
    assert (7, "pause", True) == state(model)
    model.node(command)
    model.start()
    model.run(5)
    assert (4, command.verb == "pause", False) == (
        model.service.replicas, model.nodes[0].availability == "pause", BASE_LABEL in model.service.labels,
    )  # fmt: skip
    assert 4 == model.least


def test_replicas_that_somebody_sets_in_the_middle_stay():
    model = a_model(2, 0)
    model.starts = False
    model.run(2)
    model.write(replicas=7)
    model.start()
    model.run(20)
    assert (7, "drain", False) == state(model)


def test_a_rollout_in_the_middle_is_left_alone():
    model = a_model(2, 0)
    model.write(update_status={"state": "updating"})
    model.run(5)
    assert (2, "pause", False) == state(model)
    model.write(update_status={"state": "completed"})
    model.run(10)
    assert ((2, "drain", False), 2) == (state(model), model.least)


@given(counts=st.lists(st.integers(0, 5), min_size=2, max_size=4).filter(any), crashes=CRASHES)
def test_it_ends_drained_and_was_never_below_its_base(counts, crashes):
    model = a_model(*counts)
    for crash in crashes:
        model.step(crash)
    model.run(60)
    assert (sum(counts), "drain", False) == state(model)
    assert (sum(counts), sum(counts), 0) == (sum(model.counts().values()), model.least, model.counts()["h1"])


@given(counts=st.lists(st.integers(0, 5), min_size=2, max_size=4).filter(any), steps=st.integers(0, 8), crashes=CRASHES)
def test_ended_at_any_step_it_leaves_the_service_as_it_was(counts, steps, crashes):
    model = a_model(*counts)
    model.run(steps)
    model.node(ActivateCommand(id="no", target="h1"))
    for crash in crashes:
        model.step(crash)
    model.run(40)
    assert (sum(counts), "active", False) == state(model)
    assert sum(counts) == model.least
