"""Scaling, rolling updates and rollbacks: what a write does to the tasks that run."""

SECOND_NS = 10**9
QUICK = {"Parallelism": 0, "Monitor": SECOND_NS // 5, "FailureAction": "pause"}
GOOD = ["sleep", "100000"]
OTHER = ["sleep", "200000"]
BAD = ["false"]


def ids(tasks):
    return {task["ID"] for task in tasks}


def runs(command):
    return lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Command=command)


def command_of(tasks):
    return {tuple(task["Spec"]["ContainerSpec"]["Command"]) for task in tasks}


def failing_update(engine, action, monitor_ns=60 * SECOND_NS):
    """A service of which an update to a command that fails has begun."""
    config = {**QUICK, "FailureAction": action, "Monitor": monitor_ns}
    engine.create(engine.spec(GOOD, UpdateConfig=config, RollbackConfig=QUICK))
    engine.until_running(engine.name, 1)
    engine.change(engine.name, runs(BAD))


def test_a_raw_scale_keeps_the_tasks_that_run(engine):
    engine.create(engine.spec(replicas=1))
    before = engine.until_running(engine.name, 1)
    engine.scale(engine.name, 2)
    assert ids(before) < ids(engine.until_running(engine.name, 2))


def test_a_scale_leaves_no_update_status(engine):
    engine.create(engine.spec(replicas=1))
    engine.until_running(engine.name, 1)
    engine.scale(engine.name, 2)
    engine.until_running(engine.name, 2)
    assert "UpdateStatus" not in engine.service(engine.name)


def test_a_scale_down_gives_up_the_highest_slot(engine):
    engine.create(engine.spec(replicas=2))
    engine.until_running(engine.name, 2)
    engine.scale(engine.name, 1)
    assert [1] == [task["Slot"] for task in engine.until_running(engine.name, 1)]


def test_a_label_of_the_service_restarts_nothing(engine):
    engine.create()
    before = engine.until_running(engine.name, 1)
    engine.change(engine.name, lambda spec: spec.update(Labels={"token": "1"}))
    engine.scale(engine.name, 2)
    assert ids(before) < ids(engine.until_running(engine.name, 2))


def test_a_spec_written_back_with_defaults_restarts_every_task(engine):
    engine.create(engine.spec(UpdateConfig=QUICK))
    before = engine.until_running(engine.name, 1)
    filled = engine.get(f"/services/{engine.name}", insertDefaults="true")
    engine.post(f"/services/{filled['ID']}/update", filled["Spec"], version=filled["Version"]["Index"])
    engine.until_updated(engine.name, "completed")
    assert not ids(before) & ids(engine.until_running(engine.name, 1))


def test_force_update_restarts_every_task(engine):
    engine.create(engine.spec(UpdateConfig=QUICK))
    before = engine.until_running(engine.name, 1)
    engine.change(engine.name, lambda spec: spec["TaskTemplate"].update(ForceUpdate=1))
    engine.until_updated(engine.name, "completed")
    (after,) = engine.until_running(engine.name, 1)
    assert (1, False) == (after["Spec"]["ForceUpdate"], after["ID"] in ids(before))


def test_an_update_replaces_tasks_in_their_slots_and_keeps_the_old_as_history(engine):
    engine.create(engine.spec(replicas=2, UpdateConfig=QUICK))
    before = engine.until_running(engine.name, 2)
    engine.change(engine.name, runs(OTHER))
    service = engine.until_updated(engine.name, "completed")
    after = engine.until_running(engine.name, 2)
    assert ({tuple(OTHER)}, {1, 2}) == (command_of(after), {task["Slot"] for task in after})
    stopped = {task["ID"]: task for task in engine.tasks(engine.name)}
    assert {"shutdown"} == {stopped[task["ID"]]["DesiredState"] for task in before}
    assert "update completed" == service["UpdateStatus"]["Message"]
    assert service["UpdateStatus"]["StartedAt"] < service["UpdateStatus"]["CompletedAt"]


def test_an_update_goes_slot_by_slot(engine):
    config = {**QUICK, "Parallelism": 1, "Delay": 3600 * SECOND_NS}
    engine.create(engine.spec(replicas=2, UpdateConfig=config))
    engine.until_running(engine.name, 2)
    engine.change(engine.name, runs(OTHER))
    engine.until_updated(engine.name, "updating")
    engine.until(lambda: len(command_of(engine.running(engine.name))) == 2, "the first slot is replaced")
    after = engine.until_running(engine.name, 2)
    assert {tuple(GOOD), tuple(OTHER)} == command_of(after)


def test_start_first_stops_the_old_task_after_the_new_one_runs(engine):
    engine.create(engine.spec(UpdateConfig={**QUICK, "Order": "start-first"}))
    (before,) = engine.until_running(engine.name, 1)
    engine.change(engine.name, runs(OTHER))
    engine.until_updated(engine.name, "completed")
    (after,) = engine.until_running(engine.name, 1)
    old = engine.until(
        lambda: (task := engine.get(f"/tasks/{before['ID']}"))["Status"]["State"] == "shutdown" and task, "it stops"
    )
    assert old["Status"]["Timestamp"] >= after["CreatedAt"]
    assert {tuple(OTHER)} == command_of([after])


def test_a_failing_update_pauses(engine):
    failing_update(engine, "pause")
    service = engine.until_updated(engine.name, "paused")
    assert service["UpdateStatus"]["Message"].startswith("update paused due to failure or early termination of task ")


def test_a_failing_update_rolls_back(engine):
    failing_update(engine, "rollback")
    service = engine.until_updated(engine.name, "rollback_completed")
    assert (GOOD, "rollback completed") == (
        service["Spec"]["TaskTemplate"]["ContainerSpec"]["Command"],
        service["UpdateStatus"]["Message"],
    )
    assert {tuple(GOOD)} == command_of(engine.until_running(engine.name, 1))


def test_an_automatic_rollback_uses_the_previous_spec_up(engine):
    failing_update(engine, "rollback")
    assert "PreviousSpec" not in engine.until_updated(engine.name, "rollback_completed")


def test_a_failing_update_goes_on_where_it_shall(engine):
    failing_update(engine, "continue", QUICK["Monitor"])
    engine.until_updated(engine.name, "completed")
    engine.until_state(engine.name, "failed")


def test_a_write_during_a_paused_update_resumes_it(engine):
    failing_update(engine, "pause")
    paused = engine.until_updated(engine.name, "paused")
    after = engine.scale(engine.name, 2)
    assert paused["UpdateStatus"] != after.get("UpdateStatus")
    assert BAD == after["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Command"]


def test_a_scale_makes_the_bad_spec_the_one_to_roll_back_to(engine):
    config = {**QUICK, "Parallelism": 1, "FailureAction": "rollback", "Delay": 3600 * SECOND_NS}
    engine.create(engine.spec(GOOD, replicas=2, UpdateConfig=config))
    engine.until_running(engine.name, 2)
    engine.change(engine.name, runs(OTHER))
    engine.until(lambda: tuple(OTHER) in command_of(engine.running(engine.name)), "the rollout is under way")
    after = engine.scale(engine.name, 3)
    assert OTHER == after["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Command"]


def test_a_manual_rollback_swaps_the_specs(engine):
    engine.create(engine.spec(GOOD, UpdateConfig=QUICK, RollbackConfig=QUICK))
    engine.until_running(engine.name, 1)
    engine.change(engine.name, runs(OTHER))
    engine.until_updated(engine.name, "completed")
    engine.change(engine.name, lambda _: None, rollback="previous")
    service = engine.until_updated(engine.name, "rollback_completed")
    assert (GOOD, OTHER) == tuple(
        service[key]["TaskTemplate"]["ContainerSpec"]["Command"] for key in ("Spec", "PreviousSpec")
    )
    assert {tuple(GOOD)} == command_of(engine.until_running(engine.name, 1))


def test_a_change_of_constraints_that_the_node_meets_restarts_nothing(engine):
    engine.create()
    before = engine.until_running(engine.name, 1)
    placement = {"Constraints": ["node.role==manager"]}
    engine.change(engine.name, lambda spec: spec["TaskTemplate"].update(Placement=placement))
    engine.scale(engine.name, 2)
    assert ids(before) < ids(engine.until_running(engine.name, 2))
