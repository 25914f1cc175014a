"""The changes in a result: nothing secret, and never too large for a message."""

import json

import pytest

from services.scheduler.spec_changes import CHANGES_MAX, SIZE_MAX, SURELY_MAX, VALUE_MAX, spec_changes


def test_a_result_s_changes_are_bounded_by_their_size():
    before = {"Labels": {f"{number}{'k' * 20_000}": "" for number in range(100)}}
    changes = spec_changes(before, {"Labels": {}})
    assert 0 < sum(len(change.model_dump_json().encode()) for change in changes) <= SIZE_MAX


def test_a_change_that_is_too_large_by_itself_is_left_out():
    assert () == spec_changes({}, {"Labels": {"k" * 600_000: "v"}})


def test_the_environment_of_a_plugin_is_redacted_too():
    (change,) = spec_changes({}, {"TaskTemplate": {"PluginSpec": {"Env": ["PASSWORD=hunter2"]}}})
    assert ("spec.TaskTemplate.PluginSpec.Env.PASSWORD", "[redacted]") == (change.path, change.after)


@pytest.mark.parametrize("letter", ["a", '"', "\n", "é", "\U0001f600", "\x7f"])
def test_no_change_is_larger_than_it_surely_is(letter):
    text = letter * ((VALUE_MAX - 2) // (len(json.dumps(letter)) - 2))
    (change,) = spec_changes({"a": text}, {"a": text[:-1]})
    assert text == change.before
    assert len(change.model_dump_json().encode()) <= SURELY_MAX


def test_no_more_changes_are_told_than_there_may_be():
    many = {"Labels": {str(number): "" for number in range(2 * CHANGES_MAX)}}
    assert CHANGES_MAX == len(spec_changes({}, many))
    assert SIZE_MAX // SURELY_MAX <= CHANGES_MAX


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
def test_a_text_is_shown_up_to_its_bound_however_it_is_written(letter):
    fits = (VALUE_MAX - 2) // (len(json.dumps(letter)) - 2)
    (shown,) = spec_changes({}, {"a": letter * fits})
    (hidden,) = spec_changes({}, {"a": letter * (fits + 1)})
    assert letter * fits == shown.after
    assert str(hidden.after).startswith("[")
