"""What a batch may be: commands under names of their own, in an order that there is."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from funswarm.commands import BatchCommand
from funswarm.explain import explain


def item(name, *depends_on, verb="scale", target=None, **fields):
    arguments = {"replicas": 1} if verb == "scale" else {}
    command = {"verb": verb, "target": target or name, **arguments, **fields}
    return {"name": name, "depends_on": depends_on, "command": command}


def batch(*items, **others) -> BatchCommand:
    return BatchCommand.model_validate({"id": "b1", "target": "app", "commands": items, **others})


def refusal(*items, **others) -> str:
    with pytest.raises(ValidationError) as caught:
        batch(*items, **others)
    return explain(caught.value)


def test_each_command_has_an_id_of_the_batchs_and_its_name():
    assert ["b1-db", "b1-web"] == [single.id for single in batch(item("db"), item("web", "db")).singles().values()]


def test_what_the_batch_says_holds_for_each():
    asked = {"deadline": "2030-01-01T00:00:00Z", "dry_run": True, "requested_by": "ci", "namespaces": ["shop"]}
    command = batch(item("db"), **asked)
    single = command.singles()["db"]
    assert (command.deadline, True, "ci", ("shop",)) == (
        single.deadline, single.dry_run, single.requested_by, single.namespaces,
    )  # fmt: skip


def test_a_deadline_of_its_own_is_kept():
    single = batch(item("db", deadline="2029-01-01T00:00:00Z"), deadline="2030-01-01T00:00:00Z").singles()["db"]
    assert datetime(2029, 1, 1, tzinfo=UTC) == single.deadline


@pytest.mark.parametrize(
    ("expected", "items"),
    [
        ("web depends on dp: there is no such command", [item("web", "dp")]),
        ("db -> web -> db depend on each other in a circle", [item("db", "web"), item("web", "db")]),
        ("web -> web depend on each other in a circle", [item("web", "web")]),
        ("a and b have the same target", [item("a", target="web"), item("b", target="web")]),
        ("two commands have the same name", [item("a", target="web"), item("a", target="db")]),
        ("web: scale.replicas: ", [item("web", replicas=-1)]),
        ("leave dry_run, id out", [item("web", id="x", dry_run=True)]),
        ("a batch in a batch", [item("web", verb="batch")]),
        ("at most 64 characters", [item("w" * 31)]),
    ],
)
def test_what_cannot_be_done_is_refused_with_which(expected, items):
    assert expected in refusal(*items, id="b" * 40 if "64" in expected else "b1")


def test_commands_of_one_target_may_depend_on_each_other_by_others():
    items = [item("a", target="web"), item("b", "a"), item("c", "b", target="web")]
    assert 3 == len(batch(*items).singles())


def test_an_empty_batch_is_refused():
    assert "commands" in refusal()
