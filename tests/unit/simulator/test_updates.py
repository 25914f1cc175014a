"""Rolling updates on a clock: their pace, and what a write in the middle of one does."""

from services.simulator.model import State

SECOND_NS = 10**9
SLOW = {"Parallelism": 1, "Delay": 10 * SECOND_NS, "Monitor": SECOND_NS, "FailureAction": "pause"}
BACK = {"Parallelism": 1, "Monitor": 5 * SECOND_NS, "FailureAction": "rollback"}


def images(scene):
    return sorted(task.spec["ContainerSpec"]["Image"] for task in scene.running())


def test_slots_are_replaced_one_after_the_other_with_the_delay_between(scene):
    scene.create(replicas=3, UpdateConfig=SLOW)
    scene.write(image="new")
    scene.wait(5)
    assert ["new", "nginx", "nginx"] == images(scene)
    scene.wait(10)
    assert ["new", "new", "nginx"] == images(scene)
    scene.wait(30)
    assert (["new"] * 3, "completed") == (images(scene), scene.service().update_state)


def test_an_update_is_complete_only_after_the_monitor(scene):
    scene.create(UpdateConfig={"Monitor": 5 * SECOND_NS})
    scene.write(image="new")
    scene.wait(4)
    assert "updating" == scene.service().update_state
    scene.wait(2)
    assert "completed" == scene.service().update_state


def test_stop_first_never_runs_more_than_the_replicas(scene):
    scene.create(replicas=2)
    scene.write(image="new")
    most = 0
    for _ in range(300):
        scene.wait(0.01)
        most = max(most, sum(task.state is State.RUNNING for task in scene.tasks()))
    assert most == 2


def test_start_first_never_runs_fewer_than_the_replicas(scene):
    scene.create(replicas=2, UpdateConfig={"Order": "start-first", "Parallelism": 1})
    scene.write(image="new")
    least = 2
    for _ in range(300):
        scene.wait(0.01)
        least = min(least, sum(task.state is State.RUNNING for task in scene.tasks()))
    assert (2, ["new", "new"]) == (least, images(scene))


def test_a_bad_update_is_rolled_back_and_all_run(scene):
    scene.create(replicas=4, UpdateConfig=BACK, RollbackConfig=BACK)
    scene.write(image="missing:1")
    scene.wait(60)
    assert ("rollback_completed", ["nginx"] * 4) == (scene.service().update_state, images(scene))


def test_a_scale_in_the_middle_makes_the_rollback_go_to_the_bad_spec(scene):
    patient = {**BACK, "MaxFailureRatio": 0.3, "Delay": 10 * SECOND_NS}
    scene.create(replicas=4, UpdateConfig=patient, RollbackConfig=BACK)
    scene.write(image="missing:1")
    scene.wait(5)
    scene.write(replicas=5)
    scene.wait(300)
    image = scene.service().template["ContainerSpec"]["Image"]
    assert ("rollback_paused", "missing:1") == (scene.service().update_state, image)
    assert len(scene.running()) < 4


def test_a_max_failure_ratio_lets_some_fail(scene):
    config = {**BACK, "MaxFailureRatio": 1, "FailureAction": "pause"}
    scene.create(replicas=2, UpdateConfig=config)
    scene.write(image="missing:1")
    scene.wait(60)
    assert "completed" == scene.service().update_state


def test_a_paused_update_stays_until_it_is_written_to(scene):
    scene.create(replicas=2, UpdateConfig={**BACK, "FailureAction": "pause"})
    scene.write(image="missing:1")
    scene.wait(60)
    assert ("paused", ["nginx"]) == (scene.service().update_state, images(scene))
    scene.write(image="new")
    scene.wait(60)
    assert ("completed", ["new", "new"]) == (scene.service().update_state, images(scene))


def test_a_rollback_that_fails_pauses(scene):
    scene.create(replicas=2, UpdateConfig=BACK, RollbackConfig=BACK, template={"ContainerSpec": {"Image": "missing:0"}})
    scene.write(image="missing:1")
    scene.wait(60)
    assert "rollback_paused" == scene.service().update_state


def test_a_failure_after_the_monitor_does_not_count(scene):
    scene.create(UpdateConfig={**BACK, "Monitor": SECOND_NS})
    scene.write(image="new")
    scene.wait(5)
    (task,) = scene.running()
    scene.cluster.kill_task(task.id, 1)
    scene.wait(5)
    assert "completed" == scene.service().update_state


def test_a_global_service_is_updated_node_by_node(scene):
    scene.create(mode={"Global": {}}, UpdateConfig=SLOW)
    scene.write(image="new")
    scene.wait(5)
    assert ["new", "nginx", "nginx"] == images(scene)
    scene.wait(60)
    assert (["new"] * 3, [1, 1, 1]) == (images(scene), scene.per_node())


def test_what_is_removed_in_the_middle_is_gone(scene):
    scene.create(replicas=3, UpdateConfig=SLOW)
    scene.write(image="new")
    scene.wait(5)
    scene.cluster.remove_service("web")
    scene.wait(60)
    assert ({}, {}, {}) == (scene.store.tasks, scene.cluster.swarm.updates, scene.cluster.swarm.unplaced)


def test_a_window_forgets_old_restarts(scene):
    policy = {"Condition": "any", "Delay": 10 * SECOND_NS, "MaxAttempts": 1, "Window": 5 * SECOND_NS}
    scene.create(template={"RestartPolicy": policy, "ContainerSpec": {"Image": "i", "Command": ["false"]}})
    scene.wait(60)
    assert len(scene.tasks()) > 2


def test_at_rest_nothing_is_due(scene):
    scene.create(replicas=3)
    scene.wait(3600)
    assert scene.cluster.agenda.next_due() is None
