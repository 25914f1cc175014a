"""Where a reader begins."""

from datetime import UTC, datetime, timedelta

import pytest

from funswarm.errors import InvalidRequest
from funswarm.since import starting_point

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "point"),
    [
        (None, None),
        (7, 7),
        (0, 0),
        ("1234", 1234),
        ("10m", NOW - timedelta(minutes=10)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("0s", NOW),
        ("2d", NOW - timedelta(days=2)),
        (timedelta(hours=1), NOW - timedelta(hours=1)),
        (NOW, NOW),
        ("2026-11-23T11:00:00Z", NOW - timedelta(hours=1)),
        ("2026-11-23T12:00:00+01:00", NOW - timedelta(hours=1)),
        ("2026-11-23T11:00:00", NOW - timedelta(hours=1)),
        (datetime(2026, 11, 23, 12), NOW),  # noqa: DTZ001  that is the case
    ],
)
def test_it_is_a_sequence_a_time_or_so_long_ago(since, point):
    assert point == starting_point(since, NOW)


@pytest.mark.parametrize("since", ["", "yesterday", "10", -1, "-5m", "10 m", True, "9" * 17 + "w", timedelta.max])
def test_what_is_none_of_these_is_refused_with_the_way_out(since):
    if since == "10":
        assert 10 == starting_point(since, NOW)
        return
    with pytest.raises(InvalidRequest, match="how long ago"):
        starting_point(since, NOW)


@pytest.mark.parametrize("since", ["2026-11-23T13:00:00Z", NOW + timedelta(minutes=2), "9999-12-31T23:59:59Z"])
def test_a_time_to_come_is_refused(since):
    with pytest.raises(InvalidRequest, match="is in the future: it is 2026-11-23T12:00:00"):
        starting_point(since, NOW)


def test_clocks_may_differ_by_seconds():
    assert NOW + timedelta(seconds=30) == starting_point(NOW + timedelta(seconds=30), NOW)
