"""What happens in the middle of a graceful drain: no service has a task too few by it, and it comes to an end."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.commands import ActivateCommand, DrainCommand
from funswarm.holds import Hold
from services.scheduler.plan_node import DRAIN_LABEL
from services.scheduler.policies.drain import Drain
from services.scheduler.policies.drain_memory import BASE_LABEL
from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.rebalance_memory import NOW_LABEL
from tests.builders import a_node
from tests.floors import NOW
from tests.unit.scheduler.policies.surge_model import EVENTS as EVENTS_OF_ALL
from tests.unit.scheduler.policies.surge_model import OF_COMMANDS, Model

OWN = ("another node", "activate", "not waited for", "h1 dies", "h2 dies")
EVENTS = st.sampled_from(("", "", "", *OWN, *EVENTS_OF_ALL))


def a_model(*counts, beside=(), **labels):
    """So many tasks on h1, h2 …; h1 is to be drained."""
    names = [f"h{number + 1}" for number in range(len(counts))]
    model = Model(
        Drain, dict(zip(names, counts, strict=True)), [a_node(name) for name in names], beside=beside, **labels
    )
    graceful(model, "h1")
    return model


def graceful(model, name):
    model.node(DrainCommand(id="please", target=name, graceful=True))


def availabilities(model):
    return [node.availability for node in model.nodes]


def test_two_nodes_are_drained_together():
    model = a_model(2, 1, 0)
    graceful(model, "h2")
    model.run(10)
    assert (["drain", "drain", "active"], 3, 3) == (availabilities(model), model.service.replicas, model.least)


def test_another_node_may_be_drained_in_the_middle_of_it():
    model = a_model(2, 1, 0)
    model.starts = False
    model.run(2)
    graceful(model, "h2")
    model.run(2)
    assert 6 == model.service.replicas
    model.start()
    model.run(10)
    assert (["drain", "drain", "active"], 3, 3) == (availabilities(model), model.service.replicas, model.least)


def test_the_node_that_is_to_be_drained_dies():
    model = a_model(2, 1)
    model.starts = False
    model.run(2)
    model.die("h1")
    model.start()
    model.run(10)
    assert ("drain", 3, False) == (model.nodes[0].availability, model.service.replicas, BASE_LABEL in model.labels)


def test_the_node_that_the_new_tasks_were_on_dies():
    model = a_model(2, 0, 0)
    model.step()
    model.die("h2")
    model.run(10)
    assert (["drain", "active", "active"], 2, {"h3": 2}) == (
        availabilities(model), model.service.replicas, dict(model.counts()),
    )  # fmt: skip


def test_what_the_engine_could_not_do_is_tried_again():
    model = a_model(0, 2)
    model.works = False
    model.run(3)
    model.works = True
    model.run(10)
    assert ["drain", "active"] == availabilities(model)


@pytest.mark.parametrize("event", OF_COMMANDS)
@pytest.mark.parametrize("steps", range(4))
def test_whichever_command_is_not_done_the_service_ends_as_it_was(event, steps):
    model = a_model(2, 1, 0)
    model.run(steps)
    model.happens(event)
    model.run(3)
    model.works = True
    model.run(40)
    assert ("drain", 3, 3) == (model.nodes[0].availability, model.service.replicas, model.least)
    assert not [reason for reason in model.reasons if "somebody" in reason]


@pytest.mark.parametrize("event", OF_COMMANDS)
def test_a_surge_for_another_node_that_was_not_done_does_not_move_the_base(event):
    model = a_model(2, 1, 0)
    model.starts = False
    model.run(2)
    graceful(model, "h2")
    model.happens(event)
    model.run(2)
    model.works = True
    model.start()
    model.run(40)
    assert (["drain", "drain", "active"], 3, 3) == (availabilities(model), model.service.replicas, model.least)
    assert not [reason for reason in model.reasons if "somebody" in reason]


def test_while_it_waits_it_says_for_what():
    model = a_model(2, 0)
    model.starts = False
    model.run(3)
    assert "only 0 of 2 tasks run elsewhere" == model.limiters[-1]


def test_a_task_that_never_runs_does_not_hold_it_up():
    model = a_model(1, 0)
    model.starts = False
    model.tasks[1] = model.tasks[1].model_copy(update={"state": "starting"})
    model.run(5)
    assert "drain" == model.nodes[0].availability


def test_a_service_that_wants_to_be_waited_for_no_more_goes_back():
    model = a_model(2, 1)
    model.starts = False
    model.run(2)
    model.write(labels=model.service.labels | {"funswarm.drain": "false"})
    model.start()
    model.run(10)
    assert ("drain", 3, False) == (model.nodes[0].availability, model.service.replicas, BASE_LABEL in model.labels)


def test_a_hold_lets_what_was_begun_end():
    model = a_model(2, 1)
    model.step()
    model.holds = (Hold(service="web", until=NOW + timedelta(hours=1)),)
    model.run(10)
    assert (["drain", "active"], 3, 3) == (availabilities(model), model.service.replicas, model.least)


def test_a_hold_before_it_begins_keeps_the_node_until_it_is_given_up():
    model = a_model(2, 1)
    model.holds = (Hold(service="web", until=NOW + timedelta(hours=1)),)
    model.run(70)
    assert (["active", "active"], 3) == (availabilities(model), model.most)
    assert any("given up" in reason for reason in model.reasons)


def test_a_drain_and_a_rebalance_of_one_service_come_one_after_the_other():
    model = a_model(3, 3, beside=(Rebalance(),), **{"funswarm.rebalance": "true", NOW_LABEL: "please"})
    model.nodes.append(a_node("h3"))
    model.run(80)
    assert (["drain", "active", "active"], {"h2": 3, "h3": 3}) == (availabilities(model), dict(model.counts()))
    assert (6, 6, []) == (model.service.replicas, model.least, model.harmed)


# Whatever comes, in whatever order.
def happens(model, event):
    match event:
        case "another node":
            graceful(model, "h2")
        case "activate":
            model.node(ActivateCommand(id="no", target="h1"))
        case "not waited for":
            model.write(labels=model.service.labels | {"funswarm.drain": "false"})
        case "h1 dies" | "h2 dies":
            model.die(event[:2])
        case _:
            model.happens(event)


@given(counts=st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any), events=st.lists(EVENTS, max_size=40))
def test_whatever_happens_no_running_task_is_taken_and_the_replicas_are_what_was_asked_for(counts, events):
    model = a_model(*counts)
    for event in events:
        happens(model, event)
        model.step()
    model.calms_down()
    model.run(160)
    assert [] == model.harmed or "not waited for" in events
    assert (model.wanted, False) == (model.service.replicas, BASE_LABEL in model.labels)
    assert [] == [node.name for node in model.nodes if DRAIN_LABEL in node.labels and node.availability == "pause"]
