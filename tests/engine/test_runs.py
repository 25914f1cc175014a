"""Services that run to an end, and are run again by a write that raises replicas and ForceUpdate, as cron jobs do."""

import pytest

SECOND_NS = 10**9


def parked(engine, action="pause"):
    """A service of a command that ends, at 0 replicas."""
    config = {"FailureAction": action, "Monitor": SECOND_NS // 5 if action == "continue" else 60 * SECOND_NS}
    engine.create(engine.spec(["true"], replicas=0, UpdateConfig=config, RollbackConfig=config | {"Monitor": 1}))


def run(engine, token):
    """Write what makes it run once more."""

    def change(spec):
        spec["Mode"]["Replicated"]["Replicas"] = 1
        spec["TaskTemplate"]["ForceUpdate"] = token

    return engine.change(engine.name, change)


def ended(engine, count):
    """Wait for that many ended tasks; the token of the run that each belongs to."""
    tasks = engine.until_state(engine.name, "complete", count=count)
    return [task["Spec"]["ForceUpdate"] for task in tasks]


def test_each_run_has_one_task_that_bears_its_token(engine):
    parked(engine)
    run(engine, 1)
    assert [1] == ended(engine, 1)
    run(engine, 2)
    assert [1, 2] == ended(engine, 2)


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("continue", "completed")])
def test_the_end_of_a_second_run_counts_as_a_failed_update(engine, action, state):
    parked(engine, action)
    run(engine, 1)
    ended(engine, 1)
    run(engine, 2)
    engine.until_updated(engine.name, state)


def test_with_rollback_the_second_run_is_rolled_back_and_runs_once_more(engine):
    parked(engine, "rollback")
    run(engine, 1)
    ended(engine, 1)
    run(engine, 2)
    assert [1, 2, 1] == ended(engine, 3)


def test_parking_forgets_the_last_task_of_each_slot_only(engine):
    parked(engine)
    for token in (1, 2):
        run(engine, token)
        ended(engine, token)
    engine.until_updated(engine.name, "paused")
    engine.scale(engine.name, 0)
    engine.until(lambda: len(engine.tasks(engine.name)) == 1, "the last task is gone")
    assert [1] == ended(engine, 1)
