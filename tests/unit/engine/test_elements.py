"""The engine's lists are read element by element; one bad element spoils nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engine.elements import elements, understood
from tests.builders import a_node, a_service, a_task

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=8), st.sampled_from([None, 2]))
def test_the_elements_are_those_of_the_list(values, indent):
    assert values == list(elements(json.dumps(values, indent=indent)))


@pytest.mark.parametrize("text", ["", "{}", "[", "[1", "[1,", "[1 2]", "[1,]", "nul"])
def test_a_broken_list_is_an_error(text):
    with pytest.raises(ValueError):
        list(elements(text))


def test_null_is_an_empty_list():
    assert [] == list(elements(" null\n"))


def never(*_):
    return False


def bad(raw):
    raise KeyError(raw["ID"])


def test_an_unchanged_object_is_the_very_state_that_is_known():
    known = a_service()
    states, problems = understood("service", iter([{"ID": known.id}]), {known.id: known}, bad, lambda *_: True)
    assert ([], True) == (problems, states[0] is known)


def test_an_object_that_cannot_be_understood_is_reported_and_the_others_are_there():
    service = a_service()
    convert = {"good": lambda: service, "bad": lambda: bad({"ID": "bad"})}
    raws = iter([{"ID": "bad"}, {"ID": "good"}])
    states, problems = understood("service", raws, {}, lambda raw: convert[raw["ID"]](), never)
    assert ([service], ["bad"]) == (states, [problem.object_id for problem in problems])


def test_an_object_that_cannot_be_understood_stays_as_it_was_known():
    known = a_service()
    states, _ = understood("service", iter([{"ID": known.id}]), {known.id: known}, bad, never)
    assert [known] == states


@pytest.mark.parametrize("nameless", [None, 7, "x", [], {}, {"ID": 7}, {"ID": ""}])
def test_after_an_element_without_an_id_nothing_known_of_the_kind_seems_removed(nameless):
    known = {state.id: state for state in (a_service("web"), a_service("api"), a_node())}
    states, problems = understood("service", iter([nameless]), known, bad, never)
    assert ([a_service("web"), a_service("api")], [None]) == (states, [problem.object_id for problem in problems])


def test_an_object_that_is_not_for_us_is_left_out():
    assert ([], []) == understood("task", iter([{"ID": "x"}]), {"y": a_task()}, lambda _: None, never)


def test_a_networks_id_is_read_as_the_engine_spells_it():
    states, problems = understood("network", iter([{"Id": "n1"}]), {}, lambda _: a_node(), never)
    assert ([a_node()], []) == (states, problems)
