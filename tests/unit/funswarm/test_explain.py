"""What is wrong with a message, in words for who wrote it."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from funswarm.commands import COMMANDS
from funswarm.explain import explain
from funswarm.spec import ServiceSpec


def said(adapter: Any, value: object, model=None) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    return explain(caught.value, model)


def test_an_unknown_field_gets_the_nearest_known_one():
    spec = {"name": "web", "image": "x", "replica": 2}
    assert "replica: unknown field, did you mean replicas?" == said(TypeAdapter(ServiceSpec), spec, ServiceSpec)


def test_a_command_without_a_verb_is_told_what_is_missing():
    assert "the field 'verb' is missing" == said(COMMANDS, {"id": "c1"})


def test_a_command_of_an_unknown_verb_is_told_which_there_are():
    told = said(COMMANDS, {"id": "c1", "verb": "scael"})
    assert told.startswith("'verb' 'scael' is none of ")
    assert "'scale'" in told


@pytest.mark.parametrize("value", [[], "web", 7, None])
def test_what_is_no_object_is_told_so(value):
    assert "a JSON object is needed here" == said(TypeAdapter(ServiceSpec), value)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("healthcheck", {"test": 5}, "healthcheck.test: a list is needed here"),
        ("healthcheck", {"test": ["a", {}]}, "healthcheck.test.1: Input should be a valid string"),
        (
            "resources",
            {"reservations": {"generic": {"gpu": [5]}}},
            "resources.reservations.generic.gpu.0: Input should",
        ),
        ("env", {"a=b": "c"}, "env.a=b: as a name: "),
        ("ports", ["80"] * 257, "ports: at most 256 are possible here"),
        ("mounts", {}, "mounts: a list is needed here"),
    ],
)
def test_nothing_internal_is_said(field, value, expected):
    assert said(TypeAdapter(ServiceSpec), {"name": "web", "image": "x", field: value}).startswith(expected)
