"""When cron jobs are due, as robfig/cron has it: its own table, with the hours that clocks skip and show twice."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from funswarm.timetable import Timetable

NEW_YORK, SAO_PAULO = "TZ=America/New_York ", "CRON_TZ=America/Sao_Paulo "
SINCE = datetime(2026, 1, 1, 0, 0, 0, 300_000, tzinfo=UTC)


def after(text: str, moment: str) -> str | None:
    at = datetime.fromisoformat(moment)
    due = Timetable.parse(text).next_after(at, at)
    return None if due is None else due.astimezone(at.tzinfo).isoformat()


@pytest.mark.parametrize(
    ("moment", "text", "expected"),
    [
        ("2012-07-09T14:45", "0 0/15 * * *", "2012-07-09T15:00"),
        ("2012-07-09T14:59:59", "0 0/15 * * * *", "2012-07-09T15:00"),
        ("2012-07-09T15:45", "0 20-35/15 * * * *", "2012-07-09T16:20"),
        ("2012-07-09T23:35:51", "15/35 20-35/15 * * * *", "2012-07-10T00:20:15"),
        ("2012-07-09T23:35:51", "15/35 20-35/15 1/2 * * *", "2012-07-10T01:20:15"),
        ("2012-07-09T23:35:51", "15/35 20-35/15 10-12 * * *", "2012-07-10T10:20:15"),
        ("2012-07-09T23:35", "0 0 0 9 Apr-Oct ?", "2012-08-09T00:00"),
        ("2012-07-09T23:35", "0 0 0 */5 Apr,Aug,Oct Mon", "2012-08-01T00:00"),
        ("2012-07-09T23:35", "0 0 0 */5 Oct Mon", "2012-10-01T00:00"),
        ("2012-07-09T23:35", "0 0 0 * Feb Mon", "2013-02-04T00:00"),
        ("2012-07-09T23:35", "0 0 0 29 Feb ?", "2016-02-29T00:00"),
        ("2012-07-09T23:59:45", "0/30 * * * * *", "2012-07-10T00:00"),
        ("2012-07-15T00:01", "@weekly", "2012-07-22T00:00"),
        ("2012-07-15T00:01", "CRON_TZ=UTC  @daily", "2012-07-16T00:00"),
    ],
)
def test_the_next_time_is_robfigs(moment, text, expected):
    assert datetime.fromisoformat(expected + "+00:00").isoformat() == after(text, moment + "+00:00")


@pytest.mark.parametrize(
    ("moment", "text", "expected"),
    [
        # Clocks go from 2:00 to 3:00.
        ("2012-03-11T00:00:00-05:00", "0 30 2 11 Mar ?", "2013-03-11T02:30:00-04:00"),
        ("2012-03-11T00:00:00-05:00", "0 0 * * * ?", "2012-03-11T01:00:00-05:00"),
        ("2012-03-11T01:00:00-05:00", "0 0 * * * ?", "2012-03-11T03:00:00-04:00"),
        ("2012-03-11T03:00:00-04:00", "0 0 * * * ?", "2012-03-11T04:00:00-04:00"),
        ("2012-03-11T01:00:00-05:00", "0 0 1 * * ?", "2012-03-12T01:00:00-04:00"),
        ("2012-03-11T00:00:00-05:00", "0 0 2 * * ?", "2012-03-12T02:00:00-04:00"),
        # From 2:00 back to 1:00.
        ("2012-11-04T00:00:00-04:00", "0 30 2 04 Nov ?", "2012-11-04T02:30:00-05:00"),
        ("2012-11-04T01:45:00-04:00", "0 30 1 04 Nov ?", "2012-11-04T01:30:00-05:00"),
        ("2012-11-04T01:00:00-04:00", "0 0 * * * ?", "2012-11-04T01:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 0 1 * * ?", "2012-11-04T01:00:00-04:00"),
        ("2012-11-04T01:00:00-04:00", "0 0 1 * * ?", "2012-11-04T01:00:00-05:00"),
        ("2012-11-04T01:00:00-05:00", "0 0 1 * * ?", "2012-11-05T01:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 0 2 * * ?", "2012-11-04T02:00:00-05:00"),
        ("2012-11-04T02:00:00-05:00", "0 0 2 * * ?", "2012-11-05T02:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 0 3 3 * ?", "2012-12-03T03:00:00-05:00"),
    ],
)
def test_an_hour_that_clocks_skip_does_not_come_and_one_that_they_show_twice_comes_twice(moment, text, expected):
    due = after(NEW_YORK + text, moment)
    assert due is not None
    assert datetime.fromisoformat(expected) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("moment", "text", "expected"),
    [
        ("2018-10-17T05:00:00-04:00", "0 0 9 10 * ?", "2018-11-10T06:00:00-05:00"),
        ("2018-02-14T05:00:00-05:00", "0 0 9 22 * ?", "2018-02-22T07:00:00-05:00"),
    ],
)
def test_a_midnight_that_clocks_skip_is_no_obstacle(moment, text, expected):
    due = after(SAO_PAULO + text, moment)
    assert due is not None
    assert datetime.fromisoformat(expected) == datetime.fromisoformat(due)


def test_the_zone_in_the_text_is_stronger_than_the_one_beside_it():
    assert "Asia/Tokyo" == Timetable.parse("CRON_TZ=Asia/Tokyo 0 9 * * *", ZoneInfo("Europe/Berlin")).zone.key
    assert "Europe/Berlin" == Timetable.parse("0 9 * * *", ZoneInfo("Europe/Berlin")).zone.key


@pytest.mark.parametrize(
    ("text", "seconds"), [("@every 1h30m", 5400), ("@every 1.5s", 1), ("@every 10ms", 1), ("@every 2m0.9s", 120)]
)
def test_an_interval_has_whole_seconds_and_at_least_one(text, seconds):
    assert timedelta(seconds=seconds) == Timetable.parse(text).due


def test_an_interval_counts_from_when_it_was_first_seen():
    table = Timetable.parse("@every 10s")
    assert datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC) == table.next_after(SINCE, SINCE + timedelta(seconds=25))
    assert datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC) == table.next_after(SINCE, SINCE)


@pytest.mark.parametrize("text", ["@every 10s", "*/10 * * * * *"])
def test_the_newest_times_come_last_one_first(text):
    found = Timetable.parse(text).newest(SINCE, SINCE + timedelta(seconds=15), SINCE + timedelta(seconds=45))
    assert [40, 30, 20] == [one.second for one in found]


def test_of_many_missed_times_the_newest_are_found_at_once():
    found = islice(Timetable.parse("* * * * * *").newest(SINCE, SINCE, SINCE + timedelta(days=3650)), 10)
    assert 10 == len(list(found))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TZ=UTC", "says a time zone only"), ("CRON_TZ=Europe/Berlim 0 9 * * *", "did you mean 'Europe/Berlin'"),
        ("TZ= 0 9 * * *", "no time zone ''"), ("@every", "no cron expression"), ("@every 5", "no interval"),
        ("@every 0 9 * * *", "no duration"), ("@every -5m", "no duration"), ("@Daily", "no cron expression"),
        ("* * * * * * *", "no cron expression"), ("* * * * 7", "'7' is no day of week"), ("", "no cron expression"),
        ("0 0 31 4 *", "never due"), ("0 22-2 * * *", "its end is before it"), ("TZ=/etc 0 9 * * *", "no time zone"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        Timetable.parse(text)
