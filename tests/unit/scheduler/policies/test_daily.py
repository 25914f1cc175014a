"""When a time of the day is open."""

from datetime import UTC, datetime

import pytest

from services.scheduler.policies.daily import daily


def at(day, hour):
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "opens"),
    [
        ("22:00-06:00", at(23, 23), at(23, 23)),
        ("22:00-06:00", at(23, 5), at(23, 5)),
        ("22:00-06:00", at(23, 6), at(23, 22)),
        ("02:00-04:00", at(23, 3), at(23, 3)),
        ("02:00-04:00", at(23, 4), at(24, 2)),
        ("02:00-04:00", at(23, 1), at(23, 2)),
        ("08:00-08:00", at(23, 1), at(23, 1)),
    ],
)
def test_it_opens_next(text, now, opens):
    window = daily(text)
    assert window is not None
    assert opens == window.opens(now)


def test_what_is_no_time_is_refused():
    with pytest.raises(ValueError, match="22:00-06:00, in UTC"):
        daily("10pm")
