"""The changes in a result: nothing secret, and never too large for a message."""

from services.scheduler.spec_changes import SIZE_MAX, spec_changes


def test_a_result_s_changes_are_bounded_by_their_size():
    before = {"Labels": {f"{number}{'k' * 20_000}": "" for number in range(100)}}
    changes = spec_changes(before, {"Labels": {}})
    assert 0 < sum(len(change.model_dump_json().encode()) for change in changes) <= SIZE_MAX


def test_a_change_that_is_too_large_by_itself_is_left_out():
    assert () == spec_changes({}, {"Labels": {"k" * 600_000: "v"}})


def test_the_environment_of_a_plugin_is_redacted_too():
    (change,) = spec_changes({}, {"TaskTemplate": {"PluginSpec": {"Env": ["PASSWORD=hunter2"]}}})
    assert ("spec.TaskTemplate.PluginSpec.Env.PASSWORD", "[redacted]") == (change.path, change.after)
