"""The routes about what was asked and what could not be done: what they ask of the client, and their answers."""

from typing import Any

import pytest

from funswarm.dead import KeptLetter, LetterPage
from funswarm.errors import UnknownObject
from funswarm.messages import Code, DeadLetter, Result, ResultStatus
from funswarm.records import CommandPage, CommandRecord, RecordStatus
from tests.unit.api.fakes import NOW

RECORD = CommandRecord(command_id="c1", verb="scale", target="web", status=RecordStatus.REFUSED, finished_at=NOW)
LETTER = KeptLetter(
    sequence=7, verb="scale", target="web", command_id="c1",
    letter=DeadLetter(reason="a bug", code=Code.INTERNAL, subject="funswarm.command.scale.web", body="{}", at=NOW),
)  # fmt: skip
RESULT = Result(command_id="new", verb="scale", target="web", status=ResultStatus.SUCCEEDED, finished_at=NOW)


@pytest.fixture
def asked(client, monkeypatch):
    """What the client was asked; it answers as a real one."""
    calls: list[Any] = []

    def answers(name, answer):
        async def call(*arguments, **named):
            calls.append((name, *arguments, named))
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(client, name, call, raising=False)

    answers("commands", CommandPage(items=(RECORD,), next="5"))
    answers("dead_letters", LetterPage(items=(LETTER,)))
    answers("dead_letter", LETTER)
    answers("replay", RESULT)
    answers("drop", None)
    calls.append(answers)
    return calls


async def test_commands_are_listed(http, asked):
    answer = await http.get("/v1/commands?target=web&status=refused&limit=3&since=2026-11-23T12:00:00Z")
    assert (["c1"], "5") == ([one["command_id"] for one in answer.json()["items"]], answer.json()["next"])
    named = asked[1][-1]
    assert ("web", RecordStatus.REFUSED, 3, NOW) == tuple(named[key] for key in ("target", "status", "limit", "since"))


@pytest.mark.parametrize(
    "query", ["status=odd", "limit=0", "limit=2000", "since=yesterday", "since=2026-11-23T12:00:00"]
)
@pytest.mark.usefixtures("asked")
async def test_what_cannot_be_meant_is_400(http, query):
    assert 400 == (await http.get(f"/v1/commands?{query}")).status_code


async def test_dead_letters_are_listed_and_given_one_by_one(http, asked):
    assert [7] == [one["sequence"] for one in (await http.get("/v1/dead")).json()["items"]]
    assert "a bug" == (await http.get("/v1/dead/7")).json()["letter"]["reason"]


async def test_a_dead_letter_is_sent_again(http, asked):
    answer = await http.post("/v1/dead/7/replay?wait=3")
    assert (200, "new") == (answer.status_code, answer.json()["command_id"])
    assert ("replay", 7, 3.0) == (asked[1][0], asked[1][1], asked[1][2]["how"].wait_s)


@pytest.mark.usefixtures("asked")
async def test_a_dead_letter_is_dropped(http):
    assert (204, b"") == ((answer := await http.delete("/v1/dead/7")).status_code, answer.content)


async def test_what_is_not_there_is_404(http, asked):
    asked[0]("drop", UnknownObject("there is no dead letter 7"))
    assert 404 == (await http.delete("/v1/dead/7")).status_code


@pytest.mark.parametrize("sequence", ["0", "-1", "x", "99999999999999999999"])
@pytest.mark.usefixtures("asked")
async def test_a_number_that_cannot_be_one_is_400(http, sequence):
    assert 400 == (await http.get(f"/v1/dead/{sequence}")).status_code
