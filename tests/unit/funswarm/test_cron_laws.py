"""Cron's due times are those that a slow reference finds, which looks at each minute or second of the zone's clocks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from funswarm.cron import UTC_ZONE, Cron

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
CHANGES = (  # of the clocks, and an hour without one
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2026, 4, 4, 14, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2026, 9, 26, 14, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 12, 31, 18, 15, tzinfo=UTC)),
)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    first = st.one_of(st.just("*"), number.map(str), span)
    stepped = st.tuples(first, st.integers(2, 20)).map(lambda parts: f"{parts[0]}/{parts[1]}")
    return st.lists(first | stepped, min_size=1, max_size=3).map(",".join)


MINUTELY = (field(0, 59), st.just("*") | field(0, 23))
DAILY = (st.just("*") | field(1, 31), st.just("*") | field(1, 12), st.just("*") | field(0, 6))
FIVE = st.tuples(*MINUTELY, *DAILY).map(" ".join)
SIX = st.tuples(field(0, 59), *MINUTELY, *DAILY).map(" ".join)
ABOUT = st.sampled_from(CHANGES)


def parsed(text: str) -> Cron:
    try:
        return Cron.parse(text)
    except ValueError:  # never due, as of 31 February
        assume(False)
        raise


def fits(cron: Cron, local: datetime) -> bool:
    by_date, by_week = local.day in cron.days, local.isoweekday() % 7 in cron.weekdays
    day = (by_date or by_week) if cron.either_day else (by_date and by_week)
    clock = local.hour in cron.hours and local.minute in cron.minutes and local.second in cron.seconds
    return day and local.month in cron.months and clock


def slowly(cron: Cron, zone: ZoneInfo, since: datetime, until: datetime, step: timedelta) -> list[datetime]:
    found = []
    while (since := since + step) <= until:
        if fits(cron, since.astimezone(zone)):
            found.append(since)
    return found


def stepping(cron: Cron, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    at = cron.next_after(since, zone)
    while at is not None and at <= until:
        yield at
        at = cron.next_after(at, zone)


def check(cron: Cron, zone: ZoneInfo, since: datetime, until: datetime, step: timedelta) -> None:
    expected = slowly(cron, zone, since, until, step)
    assert expected == list(stepping(cron, zone, since, until))
    assert max(expected, default=None) == cron.latest(since, until, zone)


@given(text=FIVE, about=ABOUT, before_h=st.integers(0, 8))
def test_five_fields_are_due_when_the_clocks_show_it(text, about, before_h):
    since = about[1] - timedelta(hours=before_h)
    check(parsed(text), ZoneInfo(about[0]), since, since + timedelta(hours=10), MINUTE)


@given(text=SIX, about=ABOUT, before_s=st.integers(0, 900))
def test_six_fields_are_due_when_the_clocks_show_it(text, about, before_s):
    since = about[1] - timedelta(seconds=before_s)
    check(parsed(text), ZoneInfo(about[0]), since, since + timedelta(minutes=15), SECOND)


@given(days=st.tuples(*DAILY).map(" ".join), ahead=st.integers(0, 366))
def test_days_and_months_are_passed_over_to_the_first_that_fits(days, ahead):
    cron, since = parsed(f"0 0 {days}"), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=ahead)
    fitting = (at for day in range(1, 3 * 366) if fits(cron, at := since + timedelta(days=day)))
    expected = next(fitting, None)
    assume(expected is not None)
    assert expected == cron.next_after(since, UTC_ZONE)
