"""`funswarm history` and `funswarm dead …`: what they ask of the client, what they show, their exit codes."""

import json

import pytest

from funswarm.dead import KeptLetter, LetterPage
from funswarm.errors import InvalidRequest
from funswarm.messages import Change, Code, DeadLetter
from funswarm.records import CommandPage, CommandRecord, RecordStatus
from tests.unit.cli.conftest import NOW


def a_letter(sequence: int) -> KeptLetter:
    letter = DeadLetter(reason="a bug", code=Code.INTERNAL, subject="s", body='{"id": "c1"}', at=NOW)
    return KeptLetter(sequence=sequence, verb="scale", target="web", command_id="c1", letter=letter)


@pytest.fixture
def letters(cli, done):
    cli.answers |= {"dead_letters": LetterPage(items=(a_letter(7), a_letter(3))), "dead_letter": a_letter(7)}
    cli.answers |= {"drop": None, "replay": done("scale")}
    return cli


def test_history_shows_who_asked_for_what_and_how_it_ended(cli):
    changes = (Change(path="replicas", before=1, after=3), Change(path="other"))
    record = CommandRecord(
        command_id="c1", verb="scale", target="web", status=RecordStatus.SUCCEEDED, requested_by="me", changed=True,
        finished_at=NOW, changes=changes,
    )  # fmt: skip
    cli.answers["commands"] = CommandPage(items=(record,))
    line = cli.run("history", "web", "--by", "me").stdout.splitlines()[1]
    expected = "2026-11-23 12:00:00 succeeded scale web me c1 replicas 1 → 3 and 1 more"
    assert expected.split() == line.split()
    assert [("commands", {"target": "web", "requested_by": "me", "limit": 50})] == cli.asked


def test_history_reads_on_until_it_has_enough(cli):
    record = CommandRecord(command_id="c1", verb="scale", target="web", status=RecordStatus.PENDING, accepted_at=NOW)
    cli.answers["commands"] = CommandPage(items=(record,), next="9")
    assert 3 == len(json.loads(cli.run("history", "-n", "3", "--json").stdout))
    assert [3, 2, 1] == [call[1]["limit"] for call in cli.asked]


def test_dead_letters_are_listed_by_number(letters):
    assert ["7", "3"] == [line.split()[0] for line in letters.run("dead", "list").stdout.splitlines()[1:]]


def test_one_is_shown_with_the_original(letters):
    shown = letters.run("dead", "show", "7").stdout
    assert ("a bug" in shown, '{"id": "c1"}' in shown) == (True, True)


@pytest.mark.parametrize("act", ["replay", "drop"])
def test_some_are_sent_again_or_dropped_by_number(letters, act):
    assert 0 == letters.run("dead", act, "7", "3").exit_code
    assert [(act, 7, {}), (act, 3, {})] == letters.asked


@pytest.mark.parametrize("act", ["replay", "drop"])
@pytest.mark.parametrize("arguments", [[], ["--all", "7"], ["0"]])
def test_numbers_or_all_must_be_said(letters, act, arguments):
    assert (2, []) == (letters.run("dead", act, *arguments).exit_code, letters.asked)


@pytest.mark.parametrize("act", ["replay", "drop"])
def test_all_of_them_only_after_a_question(letters, act):
    assert 1 == letters.run("dead", act, "--all").exit_code
    assert ["dead_letters"] == [call[0] for call in letters.asked]


@pytest.mark.parametrize("act", ["replay", "drop"])
def test_all_of_them_the_oldest_first(letters, act):
    assert 0 == letters.run("dead", act, "--all", "--yes").exit_code
    assert [3, 7] == [call[1] for call in letters.asked[1:]]


def test_one_that_holds_no_command_does_not_keep_the_others(letters):
    letters.answers["replay"] = InvalidRequest("dead letter 3 holds no command: drop it")
    outcome = letters.run("dead", "replay", "--all", "--yes")
    assert (1, 2) == (outcome.exit_code, len(letters.asked) - 1)
