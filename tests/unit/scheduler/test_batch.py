"""How a batch stands, from the results of its commands."""

from datetime import UTC, datetime, timedelta

import pytest

from funswarm.commands import BatchCommand
from funswarm.errors import Refused
from funswarm.messages import Code, Convergence, Result, ResultStatus
from services.scheduler.batch import GRACE_S, batch_result, is_excused, standing
from tests.unit.funswarm.test_batch_command import batch, item

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
SETTLE_S = 600.0


def a_result(command: BatchCommand, name: str, status="succeeded", **others) -> Result:
    single = command.singles()[name]
    values = {"changed": status == "succeeded", "digest": single.digest, "finished_at": NOW, **others}
    return Result(command_id=single.id, verb=single.verb, target=single.target, status=status, **values)


def stands(command: BatchCommand, *results: Result, after_s=0.0) -> tuple[dict[str, str], list[str]]:
    """(how what has ended did by name, what is ready)."""
    by_name = {result.command_id.removeprefix("b1-"): result for result in results}
    now = standing(command, by_name, NOW + timedelta(seconds=after_s), SETTLE_S)
    words = {name: (end.code or end.status).value for name, end in now.ended.items()}
    return words, [one.name for one in now.ready]


DB_THEN_WEB = batch(item("db"), item("web", "db"), item("other"))
WAITS = batch({**item("db"), "wait": "converged"}, item("web", "db"))


def settled(status, reason=None) -> Result:
    return a_result(WAITS, "db", convergence=Convergence(status=status, reason=reason))


def test_what_depends_on_nothing_is_ready():
    assert ({}, ["db", "other"]) == stands(DB_THEN_WEB)


def test_what_depends_on_others_is_ready_when_they_have_succeeded():
    assert ({"db": "succeeded"}, ["other", "web"]) == (
        (found := stands(DB_THEN_WEB, a_result(DB_THEN_WEB, "db")))[0], sorted(found[1]),
    )  # fmt: skip


def test_what_depends_on_a_failure_is_not_done_and_all_else_is():
    failed = a_result(DB_THEN_WEB, "db", "failed", code=Code.ENGINE, reason="no")
    assert ({"db": "engine-refused", "web": "dependency-failed"}, ["other"]) == stands(DB_THEN_WEB, failed)


def test_a_convergence_that_is_waited_for_is_not_the_end_while_it_is_pending():
    assert ({}, []) == stands(WAITS, settled("pending"))


def test_a_convergence_that_nobody_waits_for_does_not_count():
    result = a_result(DB_THEN_WEB, "db", convergence=Convergence(status="failed"))
    assert "succeeded" == stands(DB_THEN_WEB, result)[0]["db"]


@pytest.mark.parametrize("converged", [settled("converged"), a_result(WAITS, "db")], ids=["converged", "nothing to"])
def test_what_has_converged_lets_the_next_begin(converged):
    assert ({"db": "succeeded"}, ["web"]) == stands(WAITS, converged)


@pytest.mark.parametrize("status", ["failed", "superseded"])
def test_what_fails_to_converge_lets_none_begin(status):
    assert ({"db": "not-converged", "web": "dependency-failed"}, []) == stands(WAITS, settled(status, "exit 1"))


def test_a_second_result_that_never_comes_is_a_failure():
    assert "not-converged" == stands(WAITS, settled("pending"), after_s=SETTLE_S + GRACE_S)[0]["db"]


def test_the_result_of_another_command_of_that_id_is_a_conflict():
    assert "conflict" == stands(DB_THEN_WEB, a_result(DB_THEN_WEB, "db", digest="other"))[0]["db"]


def result_of(command: BatchCommand, *results: Result) -> Result:
    by_name = {result.command_id.removeprefix("b1-"): result for result in results}
    return batch_result(command, standing(command, by_name, NOW, SETTLE_S).ended, NOW, NOW)


def test_a_batch_has_succeeded_where_all_of_it_has():
    result = result_of(WAITS, settled("converged"), a_result(WAITS, "web"))
    assert (ResultStatus.SUCCEEDED, None, True, ["db", "web"]) == (
        result.status, result.reason, result.changed, [one.name for one in result.items],
    )  # fmt: skip


def test_a_batch_of_which_something_was_done_has_failed_with_each_reason():
    result = result_of(WAITS, settled("failed", "exit 1"))
    assert (ResultStatus.FAILED, Code.NOT_CONVERGED, True) == (result.status, result.code, result.changed)
    assert "db: applied, but failed: exit 1; web: not done: db failed" == result.reason


def test_a_batch_of_which_nothing_was_done_is_refused():
    refused = a_result(WAITS, "db", "refused", code=Code.NAME_TAKEN, reason="taken", changed=False)
    assert (ResultStatus.REFUSED, Code.NAME_TAKEN) == ((result := result_of(WAITS, refused)).status, result.code)


def test_an_objection_that_an_earlier_command_takes_away_is_excused():
    command = batch(item("first", target="web"), item("then", "first", target="web"), item("other"))
    gone, broken = Refused("no service", Code.UNKNOWN_SERVICE), Refused("no network", Code.INVALID)
    _, then, other = command.commands
    assert [True, False, False] == [
        is_excused(command, then, gone), is_excused(command, then, broken), is_excused(command, other, gone),
    ]  # fmt: skip
