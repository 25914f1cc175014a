"""Outcomes as exceptions; trace contexts."""

from datetime import UTC, datetime

import pytest

from funswarm.errors import Failed, Refused, Unavailable
from funswarm.messages import Code, Result
from funswarm.outcome import Accepted, check
from funswarm.tracing import traceparent_or_new

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_result(status, **others):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Result(command_id="1", verb="scale", target="web", status=status, finished_at=now, **others)


def test_what_succeeded_is_its_result():
    result = a_result("succeeded")

    assert result is check(result)


@pytest.mark.parametrize(("status", "error"), [("refused", Refused), ("failed", Failed)])
def test_what_did_not_succeed_raises_with_reason_and_code(status, error):
    with pytest.raises(error, match="because") as caught:
        check(a_result(status, code=Code.ROLLOUT, reason="because"))

    assert Code.ROLLOUT is caught.value.code


def test_what_is_only_accepted_raises_with_its_id():
    with pytest.raises(Unavailable, match="abc"):
        check(Accepted("abc"))


def test_a_valid_traceparent_is_carried_on():
    assert VALID == traceparent_or_new(VALID)


@pytest.mark.parametrize(
    "received", [None, "", "nonsense", VALID.replace("00-", "ff-", 1), f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_an_invalid_traceparent_is_replaced(received):
    made = traceparent_or_new(received)

    assert made != received
    assert made == traceparent_or_new(made)
