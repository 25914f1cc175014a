"""Tasks: how they run, end, fail, and are started again."""

import pytest


def test_a_task_comes_to_run_with_its_template_as_its_spec(engine):
    service_id = engine.create()
    (task,) = engine.until_running(engine.name, 1)
    template = engine.service(engine.name)["Spec"]["TaskTemplate"]
    assert {key: value for key, value in template.items() if key != "Runtime"} == task["Spec"]
    assert (service_id, 1, "running", "started") == (
        task["ServiceID"],
        task["Slot"],
        task["DesiredState"],
        task["Status"]["Message"],
    )
    assert len(task["Status"]["ContainerStatus"]["ContainerID"]) == 64
    assert task["NodeID"] in {node["ID"] for node in engine.get("/nodes")}


def test_a_task_is_read_by_its_id(engine):
    engine.create()
    engine.until_running(engine.name, 1)

    def read():
        (task,) = engine.running(engine.name)
        return task == engine.get(f"/tasks/{task['ID']}")  # unless its status was written in between

    assert engine.until(read, "it is read as it is listed")


def test_tasks_are_found_by_service_id_and_name(engine):
    service_id = engine.create()
    (task,) = engine.until_running(engine.name, 1)
    for reference in (service_id, engine.name):
        assert [task["ID"]] == [found["ID"] for found in engine.tasks(reference)]


def test_tasks_are_found_by_node_and_state(engine):
    engine.create()
    (task,) = engine.until_running(engine.name, 1)
    assert [task["ID"]] == [found["ID"] for found in engine.tasks(engine.name, node=[task["NodeID"]])]
    assert [] == engine.tasks(engine.name, **{"desired-state": ["shutdown"]})


def test_a_task_that_exits_with_0_is_complete(engine):
    engine.create(engine.spec(["true"]))
    (task,) = engine.until_state(engine.name, "complete")
    engine.until(lambda: engine.tasks(engine.name)[0]["DesiredState"] == "shutdown", "it shall not run any more")
    assert ("finished", 0) == (task["Status"]["Message"], task["Status"]["ContainerStatus"]["ExitCode"])


def test_a_task_that_exits_otherwise_has_failed_and_says_how(engine):
    engine.create(engine.spec(["sh", "-c", "exit 3"]))
    (task,) = engine.until_state(engine.name, "failed")
    status = task["Status"]
    assert ("task: non-zero exit (3)", 3) == (status["Err"], status["ContainerStatus"]["ExitCode"])


def test_a_task_without_its_image_is_rejected(engine):
    container = {"Image": "missing-for-good:1", "Command": ["x"]}
    engine.create(engine.spec(template={"ContainerSpec": container}))
    (task,) = engine.until_state(engine.name, "rejected")
    assert ("preparing", "No such image: missing-for-good:1") == (task["Status"]["Message"], task["Status"]["Err"])


def test_without_restarts_an_ended_task_has_no_successor(engine):
    engine.create(engine.spec(["true"]))
    engine.until_state(engine.name, "complete")
    engine.until(lambda: engine.tasks(engine.name)[0]["DesiredState"] == "shutdown", "Swarm has seen its end")
    assert len(engine.tasks(engine.name)) == 1


@pytest.mark.parametrize(("command", "state"), [(["true"], "complete"), (["false"], "failed")])
def test_with_any_an_ended_task_is_started_again_in_its_slot(engine, command, state):
    restart = {"Condition": "any", "Delay": 0, "MaxAttempts": 1}
    engine.create(engine.spec(command, template={"RestartPolicy": restart}))
    tasks = engine.until_state(engine.name, state, count=2)
    assert [1, 1] == [task["Slot"] for task in tasks]


def test_with_on_failure_a_complete_task_is_not_started_again(engine):
    restart = {"Condition": "on-failure", "Delay": 0, "MaxAttempts": 2}
    engine.create(engine.spec(["true"], template={"RestartPolicy": restart}))
    engine.until_state(engine.name, "complete")
    engine.until(lambda: engine.tasks(engine.name)[0]["DesiredState"] == "shutdown", "Swarm has seen its end")
    assert len(engine.tasks(engine.name)) == 1


def test_max_attempts_bounds_the_restarts(engine):
    restart = {"Condition": "any", "Delay": 0, "MaxAttempts": 2}
    engine.create(engine.spec(["false"], template={"RestartPolicy": restart}))
    engine.until_state(engine.name, "failed", count=3)
    engine.until(lambda: {t["DesiredState"] for t in engine.tasks(engine.name)} == {"shutdown"}, "all are given up")
    assert len(engine.tasks(engine.name)) == 3


def test_a_successor_waits_at_ready_for_the_restart_delay(engine):
    restart = {"Condition": "any", "Delay": 3600 * 10**9}
    engine.create(engine.spec(["false"], template={"RestartPolicy": restart}))

    def waiting():  # the first one is ready, too, for a moment, but wanted to run
        tasks = engine.tasks(engine.name)
        return [task for task in tasks if (task["DesiredState"], task["Status"]["State"]) == ("ready", "ready")]

    assert [1] == [task["Slot"] for task in engine.until(waiting, "a successor that waits")]


def test_a_slot_keeps_five_tasks(engine):
    restart = {"Condition": "any", "Delay": 0}
    engine.create(engine.spec(["false"], template={"RestartPolicy": restart}))
    first = engine.until(lambda: engine.tasks(engine.name), "a task")[0]
    engine.until(lambda: first["ID"] not in {t["ID"] for t in engine.tasks(engine.name)}, "the first is forgotten")
    engine.until(lambda: len(engine.tasks(engine.name)) <= 5, "five at most are left")


def test_replicas_0_runs_nothing(engine):
    engine.create(engine.spec(replicas=1))
    engine.until_running(engine.name, 1)
    engine.scale(engine.name, 0)
    engine.until(lambda: not engine.tasks(engine.name), "its task is gone for good")
