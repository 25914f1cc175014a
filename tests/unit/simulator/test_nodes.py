"""Nodes that fail, are drained, paused, labelled, join and leave: what becomes of the tasks."""

from services.simulator.model import State


def test_tasks_of_a_failed_node_are_replaced_elsewhere(scene):
    scene.create(replicas=3)
    scene.set_state(2, "down")
    scene.wait(10)
    assert [2, 1] == sorted(scene.per_node()[:2], reverse=True)


def test_tasks_of_a_failed_node_stay_as_they_were_last_seen(scene):
    scene.create(replicas=3)
    scene.set_state(2, "down")
    scene.wait(10)
    (lost,) = scene.store.tasks_on(scene.nodes[2].id)
    assert (State.RUNNING, State.SHUTDOWN) == (lost.state, lost.desired)


def test_a_node_that_comes_back_stops_what_was_replaced(scene):
    scene.create(replicas=3)
    scene.set_state(2, "down")
    scene.wait(10)
    scene.set_state(2, "ready")
    scene.wait()
    (lost,) = scene.store.tasks_on(scene.nodes[2].id)
    assert (State.SHUTDOWN, 3) == (lost.state, len(scene.running()))


def test_nothing_is_moved_to_a_node_that_comes_back(scene):
    scene.create(replicas=3)
    scene.set_state(2, "down")
    scene.wait(10)
    scene.set_state(2, "ready")
    scene.wait(10)
    assert scene.per_node()[2] == 0


def test_a_drained_node_is_empty_at_once(scene):
    scene.create(replicas=3)
    scene.set_node(2, Availability="drain")
    scene.wait()
    assert (0, 3) == (scene.per_node()[2], len(scene.running()))


def test_a_paused_node_keeps_its_tasks_and_gets_no_others(scene):
    scene.create(replicas=3)
    scene.set_node(2, Availability="pause")
    scene.write(replicas=7)
    scene.wait()
    assert (1, 7) == (scene.per_node()[2], len(scene.running()))


def test_a_global_service_follows_the_nodes(scene):
    scene.create(mode={"Global": {}})
    joined = scene.cluster.add_node()
    scene.wait()
    assert {joined.id} < {task.node_id for task in scene.running()}
    scene.set_node(1, Availability="drain")
    scene.wait()
    assert ([1, 0, 1], 3) == (scene.per_node(), len(scene.running()))


def test_a_global_service_skips_a_paused_node_that_has_no_task_yet(scene):
    scene.set_node(1, Availability="pause")
    scene.create(mode={"Global": {}})
    assert [1, 0, 1] == scene.per_node()


def test_a_task_whose_node_suits_it_no_more_is_rejected_and_replaced(scene):
    scene.create(template={"Placement": {"Constraints": ["node.labels.disk!=hdd"]}})
    (task,) = scene.running()
    number = [node.id for node in scene.nodes].index(task.node_id)
    scene.set_node(number, Labels={"disk": "hdd"})
    scene.wait(10)
    old = scene.store.tasks[task.id]
    assert (State.REJECTED, "assigned node no longer meets constraints") == (old.state, old.err)
    assert (0, 1) == (scene.per_node()[number], len(scene.running()))


def test_tasks_of_a_removed_node_are_orphaned_and_replaced(scene):
    scene.create(replicas=3)
    scene.cluster.remove_node(scene.nodes[2].id, force=True)
    scene.wait(10)
    (lost,) = scene.store.tasks_on(scene.nodes[2].id)
    assert (State.ORPHANED, 3) == (lost.state, len(scene.running()))


def test_pending_tasks_run_on_a_node_that_joins(scene):
    scene.create(template={"Placement": {"Constraints": ["node.hostname==newcomer"]}})
    scene.cluster.add_node(hostname="newcomer")
    scene.wait()
    assert len(scene.running()) == 1


def test_a_killed_task_is_replaced_after_the_restart_delay(scene):
    scene.create(template={"RestartPolicy": {"Delay": 3 * 10**9}})
    (task,) = scene.running()
    scene.cluster.kill_task(task.id, 137)
    scene.wait(2)
    assert ("task: non-zero exit (137)", 0) == (scene.store.tasks[task.id].err, len(scene.running()))
    scene.wait(2)
    assert len(scene.running()) == 1
