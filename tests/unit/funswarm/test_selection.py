"""Which changes are wanted, as NATS' filters."""

import re

import pytest

from funswarm.selection import FILTERS_MAX, Selection
from funswarm.subjects import Subjects
from tests.builders import a_node, a_service, a_task

SUBJECTS = Subjects("my.swarm")


def select(kinds=(), names=(), actions=()):
    return Selection(frozenset(kinds), frozenset(names), frozenset(actions))


def matching(filters, subject):
    """How many of the filters match, by NATS' rules."""
    patterns = [re.escape(one).replace(r"\*", r"[^.]+").replace(">", r".+") for one in filters]
    return sum(bool(re.fullmatch(pattern, subject)) for pattern in patterns)


@pytest.mark.parametrize(
    ("selection", "service", "task", "node"),
    [
        (select(), 1, 1, 1),
        (select(kinds=["service"]), 1, 0, 0),
        (select(kinds=["service", "task"]), 1, 1, 0),
        (select(names=["web"]), 1, 1, 0),
        (select(names=["web", "a.example"]), 1, 1, 1),
        (select(actions=["running"]), 0, 1, 0),
        (select(kinds=["node"], names=["a.example"], actions=["ready", "down"]), 0, 0, 1),
        (select(names=["we"]), 0, 0, 0),
    ],
)
def test_each_wanted_event_matches_exactly_one_filter(selection, service, task, node):
    filters = selection.filters(SUBJECTS)

    assert service == matching(filters, SUBJECTS.event("service", "created", "web"))
    assert task == matching(filters, SUBJECTS.event("task", "running", "web", "a.example"))
    assert node == matching(filters, SUBJECTS.event("node", "down", "a.example"))


def test_too_many_filters_become_one_and_the_rest_is_sifted_here():
    selection = select(names=[f"web-{number}" for number in range(FILTERS_MAX)])

    assert [SUBJECTS.all_events] == selection.filters(SUBJECTS)
    assert selection.takes("service", "created", "web-1")
    assert not selection.takes("service", "created", "web")


def test_a_wanted_name_is_compared_as_the_subject_has_it():
    assert select(names=["a.example"]).takes("node", "down", "a%2Eexample")


def test_states_are_selected_as_their_events_are():
    selection = select(kinds=["service", "task"], names=["web"])

    assert selection.takes_state(a_service("web"))
    assert selection.takes_state(a_task("web"))
    assert not selection.takes_state(a_service("api"))
    assert not selection.takes_state(a_node("web"))
