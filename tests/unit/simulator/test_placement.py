"""Which nodes tasks go to: SwarmKit's figures, as measured on real engines."""

import pytest

from services.simulator import placement
from services.simulator.constraints import parse_constraints, satisfies
from services.simulator.model import ApiError, Node

NODE = Node("n1", "alpha", {"Role": "worker", "Labels": {"disk": "ssd"}}, "10.0.0.1")


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("node.role==worker", True),
        ("node.role != worker", False),
        ("node.hostname==ALPHA", True),
        ("node.labels.disk==ssd", True),
        ("node.labels.disk!=ssd", False),
        ("node.labels.none!=x", True),
        ("node.labels.none==x", False),
        ("node.platform.os==linux", True),
        ("node.unheard-of==x", False),
        ("node.unheard-of!=x", False),
    ],
)
def test_a_constraint_is_met_or_not(expression, met):
    assert met is satisfies(NODE, parse_constraints([expression]))


@pytest.mark.parametrize("expression", ["foo", "a b==c", "==x", "node.role==", "node.role=worker"])
def test_what_is_no_constraint_is_refused(expression):
    with pytest.raises(ApiError):
        parse_constraints([expression])


def test_reasons_come_most_frequent_first():
    text = placement.explain(["a on %s", "b on %s", "c on %s"], [1, 3, 0])
    assert text == "no suitable node (b on 3 nodes; a on 1 node)"


def test_new_tasks_are_spread(scene):
    scene.create(replicas=6)
    assert [2, 2, 2] == scene.per_node()


def test_a_batch_fills_the_next_to_last_node_up_to_the_fullest(four):
    for number in (1, 2, 3):
        four.set_node(number, Availability="drain")
    four.create(replicas=12)
    for number in (1, 2, 3):
        four.set_node(number, Availability="active")
    four.write(replicas=21)
    four.wait()
    assert [12, [1, 1, 7]] == [four.per_node()[0], sorted(four.per_node()[1:])]


def test_a_surge_and_a_trim_rebalance(four):
    four.set_node(3, Availability="drain")
    four.create(replicas=6)
    four.set_node(3, Availability="active")
    before = {task.id for task in four.running()}
    four.write(replicas=7)
    four.wait()
    four.write(replicas=6)
    four.wait()
    assert [1, 1, 2, 2] == sorted(four.per_node())
    assert len(before & {task.id for task in four.running()}) == 5


def test_services_with_fewer_tasks_go_to_emptier_nodes(scene):
    scene.create("a", template={"Placement": {"Constraints": [f"node.hostname=={scene.nodes[0].hostname}"]}})
    scene.create("b", replicas=2)
    assert [0, 1, 1] == scene.per_node("b")


def test_a_spread_preference_balances_over_a_labels_values(four):
    for number, zone in enumerate(["east", "west", "west", "west"]):
        four.set_node(number, Labels={"zone": zone})
    preferences = [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}]
    four.create(replicas=6, template={"Placement": {"Preferences": preferences}})
    assert [3, 1, 1, 1] == four.per_node()


def test_a_task_that_has_no_room_runs_once_another_ends(scene):
    eight = {"Resources": {"Reservations": {"NanoCPUs": 8 * 10**9}}}
    scene.create("a", replicas=3, template=eight)
    scene.create("b", template=eight)
    assert "no suitable node (insufficient resources on 3 nodes)" == scene.tasks("b")[0].err
    scene.cluster.remove_service("a")
    scene.wait()
    assert len(scene.running("b")) == 1


def test_a_host_port_is_taken_once_on_each_node(scene):
    ports = [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]
    scene.create(replicas=4, EndpointSpec={"Ports": ports})
    assert [1, 1, 1] == scene.per_node()
    assert "no suitable node (host-mode port already in use on 3 nodes)" == scene.tasks()[-1].err


def test_max_replicas_bounds_each_node(scene):
    scene.create(replicas=7, template={"Placement": {"MaxReplicas": 2}})
    assert [2, 2, 2] == scene.per_node()
    assert "no suitable node (max replicas per node limit exceed)" == scene.tasks()[-1].err
