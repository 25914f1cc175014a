"""What is kept of a command."""

from datetime import UTC, datetime

from funswarm.messages import Change, Result, ResultStatus
from funswarm.records import RECORD_BYTES_MAX, CommandRecord, body_of, record_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def record(*changes: Change) -> CommandRecord:
    result = Result(
        command_id="c",
        verb="update",
        target="web",
        status=ResultStatus.SUCCEEDED,
        plan=changes,
        accepted_at=NOW,
        finished_at=NOW,
    )
    return record_of(result)


def test_a_record_is_kept_with_its_changes():
    change = Change(path="spec.Labels.a", before=None, after="b")
    assert (change,) == CommandRecord.model_validate_json(body_of(record(change))).changes


def test_a_record_that_is_too_long_is_kept_without_its_changes():
    body = body_of(record(Change(path="spec.Labels.a", before=None, after="b" * RECORD_BYTES_MAX)))
    assert ((), "web") == ((kept := CommandRecord.model_validate_json(body)).changes, kept.target)
