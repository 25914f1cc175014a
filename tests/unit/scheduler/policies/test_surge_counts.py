"""Which tasks a surge counts, and when it may be taken back: by what Swarm promises of a scale-down, and no more."""

import pytest

from funswarm.state import TaskState
from services.scheduler.policies.drain_memory import BASE_LABEL as DRAIN_BASE_LABEL
from services.scheduler.policies.rebalance_memory import BASE_LABEL
from services.scheduler.policies.surges import safe_to_take_away, unsurged, wanted
from tests.builders import a_service, a_task


def tasks(**nodes):
    """`h1="rrp"`: two of its tasks run, one is prepared."""
    found: list[TaskState] = []
    for node, states in nodes.items():
        for state in states:
            word = {"r": "running", "p": "preparing"}[state]
            found.append(a_task(slot=len(found) + 1, node=node, state=word))
    return found


def test_a_task_that_swarm_is_about_to_start_again_counts_among_the_replicas():
    assert 1 == len(wanted([a_task(state="preparing", desired_state="ready")]))


def test_a_task_that_was_replaced_does_not():
    assert [] == wanted([a_task(desired_state="shutdown"), a_task(state="failed")])


@pytest.mark.parametrize(
    ("nodes", "left", "safe"),
    [
        ({"h1": "rrr", "h2": "r"}, 3, True),  # the third copy goes
        ({"h1": "rrr", "h2": "p"}, 3, False),  # and would, where the new one does not run
        ({"h1": "rr", "h2": "rp"}, 3, True),  # of two second copies the one that does not run
        ({"h1": "rrrr", "h2": "rrrp"}, 7, False),  # of many any
        ({"h1": "rrrr", "h2": "rrrr"}, 7, True),
    ],
)
def test_a_surge_is_taken_back_only_where_no_running_task_is_lost_by_it(nodes, left, safe):
    assert safe == safe_to_take_away(tasks(**nodes), left)


def test_a_task_without_a_node_goes_first():
    assert safe_to_take_away([*tasks(h1="rr"), a_task(slot=3, node=None, state="pending")], 2)


@pytest.mark.parametrize(
    ("labels", "replicas"),
    [
        ({}, 15),
        ({BASE_LABEL: "12"}, 12),
        ({DRAIN_BASE_LABEL: "9"}, 9),
        ({BASE_LABEL: "²"}, 15),
        ({BASE_LABEL: "20"}, 15),
    ],
)
def test_without_its_surge_a_service_has_the_replicas_of_its_base(labels, replicas):
    assert replicas == unsurged(a_service(replicas=15, labels=labels)).replicas
