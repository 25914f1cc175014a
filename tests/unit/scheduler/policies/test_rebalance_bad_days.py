"""What happens in the middle of a rebalance: no service is harmed by it, and it is said why it went no further."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.holds import Hold
from funswarm.state import COMMAND_LABEL
from services.scheduler.policies.autoscale.measures import Measured, Sample
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.rebalance_memory import BASE_LABEL, NOW_LABEL
from tests.builders import a_node
from tests.floors import NOW
from tests.unit.scheduler.policies.autoscale.story import Given as Gauges
from tests.unit.scheduler.policies.surge_model import EVENTS as EVENTS_OF_ALL
from tests.unit.scheduler.policies.surge_model import OF_COMMANDS, Model

SCALED = {"funswarm.autoscale.enable": "true", "funswarm.autoscale.push": "10", "funswarm.autoscale.max": "40"}
EVENTS = st.sampled_from(("", "", "", "join", "n0 dies", "n1 dies", *EVENTS_OF_ALL))


def hot(beside=(), **labels):
    """Twelve tasks on one node, and three nodes that have just come."""
    model = Model(Rebalance, {"h1": 12}, [a_node("h1")], beside, **labels)
    model.step()
    model.nodes += [a_node(f"h{number}") for number in (2, 3, 4)]
    return model


def surging(model=None):
    model = model or hot()
    while BASE_LABEL not in model.labels:
        model.step()
    return model


def counts(model):
    return [model.counts()[node.name] for node in model.nodes]


def test_a_hold_lets_the_surge_end_and_nothing_more_begin():
    model = surging()
    model.holds = (Hold(service="web", until=NOW + timedelta(hours=1)),)
    model.run(40)
    assert (12, [9, 1, 1, 1]) == (model.service.replicas, counts(model))
    model.holds = ()
    model.run(60)
    assert [3, 3, 3, 3] == counts(model)


@pytest.mark.parametrize("key", ["pause", "dry-run"])
def test_a_label_that_stops_it_lets_the_surge_end_and_nothing_more_begin(key):
    model = surging()
    model.write(labels=model.service.labels | {f"funswarm.rebalance.{key}": "true"})
    model.run(40)
    assert (12, [9, 1, 1, 1]) == (model.service.replicas, counts(model))


def test_a_node_that_comes_in_the_middle_gets_its_share_too():
    model = surging()
    model.nodes.append(a_node("h5"))
    model.run(60)
    assert [2, 2, 2, 3, 3] == sorted(counts(model))


def test_a_node_that_dies_in_the_middle_leaves_the_base():
    model = surging()
    model.die("h4")
    model.run(60)
    assert (12, 12, [4, 4, 4, 0]) == (model.service.replicas, model.least, sorted(counts(model), reverse=True))


def test_new_tasks_that_fail_again_and_again_are_not_kept_in_the_place_of_those_that_run():
    model = hot()
    model.starts, model.desired = False, "ready"
    model.run(60)
    assert (15, 12) == (model.service.replicas, model.least)
    assert "Swarm would take tasks that run, and keep new ones that do not" == model.limiters[-1]


def test_replicas_that_somebody_sets_at_the_very_moment_are_what_it_begins_with():
    model = hot()
    while not model.record.sent:
        model.step("before sending")
    model.write(replicas=14)
    model.run(80)
    assert (14, [3, 3, 4, 4]) == (model.service.replicas, sorted(counts(model)))


def test_what_the_engine_could_not_do_is_tried_again():
    model = hot()
    model.works = False
    model.run(10)
    model.works = True
    model.run(90)
    assert [3, 3, 3, 3] == counts(model)


@pytest.mark.parametrize("event", OF_COMMANDS)
def test_a_surge_that_was_not_done_is_tried_again_and_nobody_is_blamed(event):
    model = hot()
    model.happens(event)
    model.run(3)
    model.works = True
    model.run(90)
    assert [3, 3, 3, 3] == counts(model)
    assert not [reason for reason in model.reasons if "somebody" in reason]


@pytest.mark.parametrize("event", OF_COMMANDS)
def test_a_surge_that_is_given_up_ends_also_where_the_trim_was_not_done_at_once(event):
    model = hot()
    model.write(labels=model.service.labels | {NOW_LABEL: "please"})
    surging(model)
    homeless = {"state": "pending", "message": "no suitable node", "node_id": None, "node_name": None}
    model.tasks[15] = model.tasks[15].model_copy(update=homeless)
    model.happens(event)
    model.run(3)
    model.works = True
    model.run(40)
    assert (12, False, 15) == (model.service.replicas, NOW_LABEL in model.labels, model.most)
    assert 1 == len([reason for reason in model.reasons if "more for a while" in reason])


# With an autoscaler on the same service.
def scaled(amount):
    """The same, where ten of the amount are for each task; and what sets the amount, and looks so often."""
    gauges = Gauges()
    model = hot((Autoscale(gauges),), **SCALED)

    def run(steps, amount=amount):
        for _ in range(steps):
            gauges.measured = Measured(samples={"push": Sample(model.now + timedelta(seconds=10), amount)})
            model.step()

    while BASE_LABEL not in model.labels:
        run(1)
    return model, run


def test_more_that_an_autoscaler_wants_comes_between_two_waves_and_all_is_even():
    model, run = scaled(120)
    run(1, 180)
    assert 15 == model.service.replicas
    assert "rebalance has it: it moves tasks by a surge" in model.limiters
    run(3, 180)
    assert 18 == model.service.replicas
    run(100, 180)
    assert (18, 12, [4, 4, 5, 5]) == (model.service.replicas, model.least, sorted(counts(model)))
    assert BASE_LABEL not in model.labels


def test_the_tasks_of_a_surge_are_no_replicas_for_the_autoscaler():
    model, run = scaled(120)
    run(1)
    model.write(replicas=2, labels={key: value for key, value in model.labels.items() if key != BASE_LABEL})
    assert COMMAND_LABEL not in model.service.labels
    run(10)
    assert "it was deployed anew with 2 replicas: back to the 12 that it had" in model.reasons
    assert 12 == model.service.replicas


# Whatever comes, in whatever order.
def happens(model, event):
    match event:
        case "join":
            model.nodes.append(a_node(f"n{len(model.nodes)}"))
        case "n0 dies" | "n1 dies":
            model.die(event[:2])
        case _:
            model.happens(event)


@given(count=st.integers(1, 9), events=st.lists(EVENTS, max_size=40))
def test_whatever_happens_it_takes_no_running_task_and_ends_at_the_replicas_that_were_asked_for(count, events):
    model = Model(Rebalance, {"n0": count}, [a_node("n0")])
    model.step()
    model.nodes.append(a_node("n1"))
    for event in events:
        happens(model, event)
        model.step()
    model.calms_down()
    model.run(160)
    assert [] == model.harmed
    assert (model.wanted, False) == (model.service.replicas, BASE_LABEL in model.labels)
