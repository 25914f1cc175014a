"""`funswarm watch`: one line a change."""

from datetime import timedelta

import pytest

from funswarm.changes import Changed, Relisted
from funswarm.cli.watching import age, line
from funswarm.messages import Change, Event
from tests.builders import a_service, a_task
from tests.unit.cli.conftest import NOW


def event(action, after, *, changes=(), observed_at=NOW):
    return Event(
        id="x", time="", observed_at=observed_at, cluster="c", kind=after.kind, action=action, name=after.name,
        object_id=after.id, version=1, before=None, after=after, changes=changes,
    )  # fmt: skip


def shown(happened, now=NOW):
    return line(happened, now).plain.partition("  ")[2]


def test_a_line_has_kind_name_and_action():
    assert shown(event("created", a_service("web"))) == "service  web               created"


def test_an_update_says_what_changed():
    change = Change(path="replicas", before=1, after=3)
    assert (
        shown(event("updated", a_service("web"), changes=(change,)))
        == "service  web               updated  replicas 1 → 3"
    )


def test_what_the_action_says_is_not_said_twice():
    change = Change(path="condition.status", before="progressing", after="converged")
    assert shown(event("converged", a_service("web"), changes=(change,))).endswith("converged")


def test_many_changes_are_counted():
    changes = tuple(Change(path=f"p{i}", before=0, after=1) for i in range(5))
    assert shown(event("updated", a_service("web"), changes=changes)).endswith("p2 0 → 1 and 2 more")


def test_a_task_says_where_it_is():
    assert shown(event("running", a_task("web", slot=1, node="node-1"))).endswith("running  on node-1")


@pytest.mark.parametrize(("seconds", "words"), [(0, ""), (7, " (7s ago)"), (240, " (4m ago)"), (90_000, " (1d ago)")])
def test_an_old_change_says_its_age(seconds, words):
    assert age(NOW, NOW + timedelta(seconds=seconds)) == words


def test_watch_begins_now(cli):
    cli.run("watch")
    assert cli.asked[0][1]["since"] == "0s"


def test_filters_are_handed_on(cli):
    cli.run("watch", "--kind", "task", "--name", "web", "--action", "running", "--since", "10m")
    assert cli.asked == [("changes", {"kinds": ["task"], "names": ["web"], "actions": ["running"], "since": "10m"})]


def test_an_unknown_kind_is_usage(cli):
    assert cli.run("watch", "--kind", "container").exit_code == 2


def test_json_is_the_event_as_it_is(cli):
    cli.client.items = [Changed(1, "service", "created", b'{"raw": true}')]
    assert cli.run("watch", "--json").stdout == '{"raw": true}\n'


def test_it_ends_after_as_many_as_asked(cli):
    cli.client.items = [Changed(i, "service", "created", b"{}") for i in range(5)]
    assert cli.run("watch", "--json", "--limit", "2").stdout == "{}\n{}\n"


def test_missing_changes_are_said(cli):
    cli.client.items = [Relisted("too slow")]
    assert "changes are missing here: too slow" in cli.run("watch").stderr
