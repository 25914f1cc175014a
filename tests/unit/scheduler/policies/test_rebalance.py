"""When a service is rebalanced, by which waves, and what ends them before their time."""

from datetime import timedelta

import pytest

from funswarm.holds import Hold
from funswarm.messages import Result, ResultStatus
from services.scheduler.policies.daily import daily
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.rebalance_memory import BASE_LABEL, NOW_LABEL
from tests.builders import a_node, a_service, a_task
from tests.floors import NOW, a_case, a_result
from tests.unit.scheduler.policies.surge_model import Model


def hot(tasks=12, new=3, policy=Rebalance, **others):
    """All tasks on one node, and so many nodes that have just come."""
    model = Model(policy, {"h1": tasks}, [a_node("h1")])
    model.step()
    model.nodes += [a_node(f"h{number}", **others) for number in range(2, 2 + new)]
    return model


def surging():
    model = hot()
    while model.service.replicas == 12:
        model.step()
    return model


def counts(model):
    return [model.counts()[node.name] for node in model.nodes]


def test_a_hot_node_is_evened_out_by_waves():
    model, seen = hot(), []
    for _ in range(60):
        model.step()
        if counts(model) not in seen:
            seen.append(counts(model))
    assert [[12, 0, 0, 0], [12, 1, 1, 1], [9, 1, 1, 1], [9, 2, 2, 2], [6, 2, 2, 2], [6, 3, 3, 3], [3, 3, 3, 3]] == seen
    assert (12, 15) == (model.least, model.most)


def test_nothing_moves_before_the_node_was_there_for_a_while():
    model = hot()
    model.step()
    model.step()
    assert 12 == model.service.replicas
    model.run(3)
    assert 15 == model.service.replicas


def test_the_base_is_in_a_label_of_the_same_write():
    assert "12" == surging().service.labels[BASE_LABEL]


def test_an_uneven_service_is_left_as_it_is_while_no_node_comes():
    model = Model(Rebalance, {"h1": 6, "h2": 1}, [a_node("h1"), a_node("h2")])
    model.run(20)
    assert [6, 1] == counts(model)


def test_a_command_rebalances_without_a_label_of_consent_and_only_once():
    model = Model(Rebalance, {"h1": 6, "h2": 0}, [a_node("h1"), a_node("h2")])
    model.write(labels={NOW_LABEL: "one"})
    model.run(60)
    assert ([3, 3], {}) == (counts(model), model.labels)


def test_a_node_that_gets_no_tasks_is_no_reason():
    model = hot(new=1, availability="pause")
    model.run(20)
    assert [12, 0] == counts(model)


def test_a_node_that_comes_back_is_a_reason():
    model = Model(Rebalance, {"h1": 4, "h2": 0}, [a_node("h1"), a_node("h2")])
    model.step()
    model.nodes[1] = a_node("h2", state="down")
    model.step()
    model.nodes[1] = a_node("h2")
    model.run(60)
    assert [2, 2] == counts(model)


def test_tasks_that_do_not_come_to_run_are_not_kept_in_the_place_of_those_that_do():
    model = hot()
    model.starts = False
    model.run(60)
    assert (15, 12) == (model.service.replicas, model.least)
    assert "not all 15 tasks run after 300 s: back to 12 replicas" == model.reasons[-1]
    model.start()
    model.run(40)
    assert (12, 12, [3, 3, 3, 3]) == (model.service.replicas, model.least, counts(model))


def test_a_task_without_a_node_ends_it_at_once():
    model = surging()
    slot = max(model.tasks)
    model.tasks[slot] = model.tasks[slot].model_copy(
        update={"state": "pending", "node_id": None, "error": "no suitable node (insufficient resources on 4 nodes)"}
    )
    model.run(2)
    assert 12 == model.service.replicas
    assert any("insufficient resources" in reason for reason in model.reasons)


def test_a_rollout_in_the_middle_is_left_alone_and_what_was_begun_ends_after_it():
    model = surging()
    model.write(update_status={"state": "updating"})
    model.run(3)
    assert 15 == model.service.replicas
    model.write(update_status={"state": "completed"})
    model.run(40)
    assert (12, 12) == (model.service.replicas, model.least)
    assert any("a rollout has begun" in reason for reason in model.reasons)


def test_replicas_that_somebody_sets_in_the_middle_stay():
    model = surging()
    model.write(replicas=20)
    model.run(20)
    assert 20 == model.service.replicas
    assert BASE_LABEL not in model.service.labels
    assert any("somebody else has set 20 replicas" in reason for reason in model.reasons)


def test_labels_that_are_taken_away_in_the_middle_end_it_at_the_base():
    model = surging()
    model.write(labels={BASE_LABEL: "12"})
    model.run(3)
    assert (12, {}) == (model.service.replicas, model.labels)
    assert {} == model.record.memories


def test_a_surge_of_which_nothing_is_remembered_is_taken_back():
    model = surging()
    model.record = type(model.record)(service="web")
    model.run(2)
    assert 12 == model.service.replicas


def test_outside_of_its_window_it_waits_for_it():
    model = hot(policy=lambda: Rebalance(daily("13:00-14:00")))  # it is noon
    model.run(20)
    assert (12, "it is to be rebalanced") == (model.service.replicas, model.reasons[-1])
    model.now += timedelta(hours=1)
    model.run(60)
    assert [3, 3, 3, 3] == counts(model)


def test_one_service_at_a_time():
    labels = {"funswarm.rebalance": "true", NOW_LABEL: "x"}
    other = a_service("db", labels={"funswarm.rebalance": "true", BASE_LABEL: "3"})
    tasks = [a_node(), a_node("beta"), *(a_task(slot=slot) for slot in range(1, 5))]
    service = a_service(replicas=4, labels=labels)
    plan = evaluate(a_case(service, (Rebalance(),), beside=[other], tasks=tasks, now=NOW + timedelta(minutes=1)))
    assert (None, "not all at once: db comes first") == (plan.command, plan.decisions[0].limiter)


@pytest.mark.parametrize(("at_once", "begun"), [(1, [True, False, False]), (2, [True, True, False])])
def test_of_those_that_are_due_at_one_moment_as_many_begin_as_may_be_at_once(at_once, begun):
    policy = Rebalance(at_once=at_once)
    labels = {"funswarm.rebalance": "true", NOW_LABEL: "x"}
    nodes = [a_node(), a_node("beta")]
    plans = []
    for name in ("web", "db", "api"):
        tasks = [*nodes, *(a_task(name, slot) for slot in range(1, 5))]
        plans.append(evaluate(a_case(a_service(name, replicas=4, labels=labels), (policy,), tasks=tasks)))
    assert begun == [plan.command is not None for plan in plans]


def test_one_whose_surge_was_refused_keeps_no_other_waiting():
    policy, nodes = Rebalance(), [a_node(), a_node("beta")]
    results: dict[str, Result] = {}

    def looked(name, second, record=None):
        service = a_service(name, replicas=4, labels={"funswarm.rebalance": "true", NOW_LABEL: "x"})
        tasks = [*nodes, *(a_task(name, slot) for slot in range(1, 5))]
        now = NOW + timedelta(seconds=second)
        return evaluate(a_case(service, (policy,), record, tasks=tasks, now=now, results=results))

    plan = looked("web", 0)
    results[plan.command.id] = a_result(plan.command.id, status=ResultStatus.REFUSED, changed=False, reason="a quota")
    for second in (1, 6):
        plan = looked("web", second, plan.record)
    assert ("refused before: a quota", True) == (plan.decisions[0].limiter, looked("db", 7).command is not None)


HELD = (Hold(service="web", until=NOW + timedelta(hours=1)),)


@pytest.mark.parametrize(
    ("labels", "holds"),
    [({}, HELD), ({"funswarm.rebalance.pause": "true"}, ()), ({"funswarm.rebalance.dry-run": "true"}, ())],
)
def test_one_that_may_not_begin_keeps_no_other_waiting(labels, holds):
    policy, nodes, wants = Rebalance(), [a_node(), a_node("beta")], {"funswarm.rebalance": "true", NOW_LABEL: "x"}

    def looked(name, labels, holds):
        tasks = [*nodes, *(a_task(name, slot) for slot in range(1, 5))]
        return evaluate(a_case(a_service(name, replicas=4, labels=labels), (policy,), tasks=tasks, holds=holds))

    stopped = looked("web", wants | labels, holds)
    assert (None, True) == (stopped.command, looked("db", wants, ()).command is not None)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"mode": "global", "replicas": None}, "a global service is not rebalanced"),
        ({"labels": {"funswarm.rebalance": "true", "funswarm.rebalance.surge": "1"}}, "did you mean"),
    ],
)
def test_what_cannot_be_followed_is_a_problem(others, reason):
    labels = {"funswarm.rebalance": "true"}
    problems = Rebalance().parse(a_service(**{"labels": labels} | others)).problems
    assert reason in problems[0].reason
