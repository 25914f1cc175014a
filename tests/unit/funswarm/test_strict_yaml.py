"""YAML as people write it: what is refused, and what is not."""

import pytest

from funswarm.strict_yaml import load_yaml

MERGED = """
base: &base {a: 1}
inner: {middle: &middle {<<: *base, a: 2}}
top: {<<: *middle, b: 3}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "'a' is there twice.*line 3"),
        ("x:\n- {a: 1, 'a': 2}", "'a' is there twice.*line 2"),
        ("a: [", "it is no YAML.*line 1"),
        ("a: *b", "undefined alias"),
        ("? [a]\n: b", "unhashable key"),
        ("a: !!python/object/apply:os.system [id]", "it is no YAML"),
        ("--- a\n--- b", "expected a single document"),
        ("x: " + "[\n" * 5000, "it is no YAML: maximum recursion"),
        ("a: 2026-13-01", "a value is none of its type: month"),
        ("a: !!bool perhaps", "a value is none of its type"),
        ("a: !!timestamp soon", "a value is none of its type"),
        ("a: !!int one", "a value is none of its type"),
    ],
)
def test_what_is_no_yaml_is_refused_with_where(text, said):
    with pytest.raises(ValueError, match=f"(?s){said}"):
        load_yaml(text)


def test_a_key_may_override_a_merged_one():
    found = load_yaml(MERGED)
    assert ({"a": 2}, {"a": 2, "b": 3}) == (found["inner"]["middle"], found["top"])


def test_nothing_is_none():
    assert load_yaml("# nothing\n") is None
