"""What a schedule may be, when it is due, and which command a firing is."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from funswarm.schedules import Schedule

SINCE = datetime(2026, 1, 1, 10, 0, 0, 400_000, tzinfo=UTC)
SCALE = {"verb": "scale", "target": "web", "replicas": 2}


def schedule(**fields) -> Schedule:
    return Schedule.model_validate({"name": "nightly", "command": SCALE, **fields})


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 1, 1, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "exactly one of at, every and cron"),
        ({"every": "1m", "cron": "@daily"}, "exactly one of at, every and cron"),
        ({"every": "1500ms"}, "whole seconds"),
        ({"every": 0}, "whole seconds"),
        ({"at": "2026-01-01T00:00:00"}, "should have timezone info"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "too far away"),
        ({"at": "+10x"}, "no duration"),
        ({"at": "+99999999999h"}, "too far away"),
        ({"cron": "0 0 * * 8"}, "no day of week"),
        ({"cron": "@daily", "time_zone": "europe/berlin"}, "did you mean 'Europe/Berlin'"),
        ({"cron": "@daily", "time_zone": "../../etc/passwd"}, "there is no time zone"),
        ({"every": "1m", "time_zone": "UTC"}, "a time zone goes with cron only"),
        ({"every": "1m", "missed": "drop"}, "go together"),
        ({"every": "1m", "drop_after_s": 5}, "go together"),
        ({"every": "1m", "command": {**SCALE, "deadline": "2026-01-01T00:00:00Z"}}, "a deadline is of one firing"),
        ({"every": "1m", "command": {**SCALE, "verb": "explode"}}, "explode"),
        ({"every": "1m", "name": "a.b"}, "name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        schedule(**fields)


def test_a_plus_means_so_far_from_now():
    before = datetime.now(UTC)
    due = schedule(at="+10m").at
    assert due is not None
    assert timedelta(minutes=10) <= due - before < timedelta(minutes=11)


def test_a_moment_is_never_due_before_itself():
    assert at(10, 0, 1) == schedule(at="2026-01-01T11:00:00.3+01:00").at


def test_the_command_of_a_firing_is_named_after_the_time_at_which_it_was_due():
    command = schedule(every="1h").command_at(at(11))
    assert ("nightly-20260101T110000Z", None) == (command.id, command.deadline)


def test_the_id_of_the_command_itself_is_of_no_account():
    assert schedule(every="1h") == schedule(every="1h", command={**SCALE, "id": "mine"})


def test_a_firing_that_may_be_dropped_has_a_deadline():
    assert at(11, 1) == schedule(every="1h", missed="drop", drop_after_s="1m").command_at(at(11)).deadline


def test_a_moment_is_due_once():
    once = schedule(at="2026-01-01T11:00:00Z")
    assert (at(11), at(11), None) == (once.first(SINCE), once.latest(SINCE, at(12)), once.next_after(SINCE, at(11)))


def test_an_interval_counts_from_when_it_was_put():
    hourly = schedule(every="1h")
    assert (at(11), at(12), at(13)) == hourly.coming(SINCE, SINCE)
    assert (at(14), at(15)) == (hourly.next_after(SINCE, at(13)), hourly.next_after(SINCE, at(14, 59, 59)))


def test_the_latest_of_an_interval_is_not_before_its_first():
    hourly = schedule(every="1h")
    assert (None, at(11), at(13)) == tuple(hourly.latest(SINCE, at(hour, 30)) for hour in (10, 11, 13))


def test_a_cron_expression_is_due_by_the_clocks_of_its_zone():
    daily = schedule(cron="0 0 12 * * *", time_zone="Europe/Berlin")
    assert (at(11), at(11)) == (daily.first(SINCE), daily.latest(SINCE, at(12)))


def test_a_cron_expression_was_not_due_before_it_was_put():
    assert schedule(cron="@hourly").latest(SINCE, at(10, 30)) is None


def test_the_longest_name_still_makes_an_id():
    assert 64 >= len(schedule(name="n" * 46, every="1h").command_at(at(11)).id)


def test_a_batch_whose_commands_ids_would_be_too_long_is_refused():
    item = {"name": "i" * 31, "command": SCALE}
    with pytest.raises(ValidationError, match="at most 64 characters"):
        schedule(name="n" * 46, every="1h", command={"verb": "batch", "target": "all", "commands": [item]})


@pytest.mark.parametrize("fields", [{"at": "+10m"}, {"every": "1h", "name": "other"}], ids=["relative", "name"])
def test_what_is_stored_is_of_its_subject_and_has_moments_only(fields):
    body = json.dumps({"name": "nightly", "command": SCALE, **fields}).encode()
    with pytest.raises(ValidationError):
        Schedule.stored("nightly", body)


def test_what_is_stored_is_read_again():
    put = schedule(at="+10m", missed="drop", drop_after_s=5)
    assert put == Schedule.stored("nightly", put.model_dump_json().encode())
