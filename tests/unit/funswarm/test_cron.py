"""What cron expressions mean, and that what cannot be meant is refused with the way out."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.cron import UTC_ZONE, Cron

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def after(text: str, moment: datetime, zone: ZoneInfo = UTC_ZONE) -> datetime | None:
    return Cron.parse(text).next_after(moment, zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", utc(2026, 1, 1, 0, 0, 1)),
        ("*/20 * * * * *", utc(2026, 1, 1, 0, 0, 20)),
        ("5/20 * * * * ?", utc(2026, 1, 1, 0, 0, 5)),
        ("30 4 * * *", utc(2026, 1, 1, 4, 30)),
        ("0 30 4 * * *", utc(2026, 1, 1, 4, 30)),
        ("0 0 9-17/4 * * *", utc(2026, 1, 1, 9)),
        ("0 0 0 * feb,MAR *", utc(2026, 2, 1)),
        ("0 0 0 * * Sun", utc(2026, 1, 4)),
        ("0 0 0 29 2 *", utc(2028, 2, 29)),
        ("@yearly", utc(2027, 1, 1)),
        ("@weekly", utc(2026, 1, 4)),
        ("@hourly", utc(2026, 1, 1, 1)),
    ],
)
def test_the_next_time_is_the_first_that_fits(text, expected):
    assert expected == after(text, utc(2026, 1, 1))


def test_two_restricted_kinds_of_day_are_either_of_them():
    assert utc(2026, 1, 5) == after("0 0 0 13 * mon", utc(2026, 1, 1))
    assert utc(2026, 1, 13) == after("0 0 0 13 * mon", utc(2026, 1, 12))


def test_a_star_beside_a_restricted_kind_of_day_restricts_nothing():
    assert utc(2026, 1, 5) == after("0 0 0 */1 * mon", utc(2026, 1, 1))


def test_a_time_that_the_clocks_skip_does_not_come():
    assert utc(2026, 3, 30, 0, 30) == after("30 2 * * *", utc(2026, 3, 28, 12), BERLIN)


def test_a_time_that_the_clocks_show_twice_comes_twice():
    first = after("30 2 * * *", utc(2026, 10, 24, 12), BERLIN)
    assert utc(2026, 10, 25, 0, 30) == first
    assert utc(2026, 10, 25, 1, 30) == after("30 2 * * *", first, BERLIN)


def test_a_midnight_that_the_clocks_skip_does_not_come():
    assert utc(2018, 11, 5, 2) == after("0 0 0 * * *", utc(2018, 11, 3, 12), ZoneInfo("America/Sao_Paulo"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no cron expression"), ("* * * *", "no cron expression"), ("@reboot", "no cron expression"),
        ("CRON_TZ=UTC 0 0 0 * * *", "no cron expression"), ("60 * * * *", "'60' is no minute: it goes from 0 to 59"),
        ("0 0 * * 7", "'7' is no day of week"), ("0 5-1 * * *", "its end is before it"),
        ("*/0 * * * *", "its step is 0"),
        ("0 0 L * *", "is no day of month"), ("1,,2 * * * *", "'' is no minute"), ("*-5 * * * *", "is no minute"),
        ("0 0 30 2 *", "never due"), ("² * * * *", "is no minute"), ("0 0 1 * foo", "or sun to sat"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        Cron.parse(text)


FIELD = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.integers(1, 30).map(lambda step: f"*/{step}"))
HOUR = st.one_of(st.just("*"), st.integers(0, 23).map(str))


@given(
    second=FIELD,
    minute=FIELD,
    hour=HOUR,
    moment=st.integers(0, 366 * 86_400).map(lambda seconds: utc(2026, 1, 1) + timedelta(seconds=seconds)),
)
def test_the_latest_is_the_one_that_the_next_follows(second, minute, hour, moment):
    cron = Cron.parse(f"{second} {minute} {hour} * * *")
    latest = cron.latest(moment - timedelta(days=3), moment, BERLIN)
    assert latest is not None
    assert latest <= moment
    following = cron.next_after(latest, BERLIN)
    assert following is not None
    assert following > moment
    assert latest == cron.next_after(latest - timedelta(seconds=1), BERLIN)


def test_there_is_no_latest_where_none_was_due_since():
    assert Cron.parse("@yearly").latest(utc(2026, 1, 1), utc(2026, 12, 31), UTC_ZONE) is None
