"""What follows from a receiver's answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.hooks import Retry
from funswarm.messages import Code
from services.notifier.hooks.judging import Answer, backoff_s, judge

RETRY = Retry(first_s=1, max_s=60, give_up_after_s=3600)


def verdict(status, *, attempts=1, age_s=0.0, retry_after_s=None, reason="no"):
    return judge(Answer(status, reason, 0.1, retry_after_s), RETRY, attempts, age_s, 0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status):
    assert "delivered" == verdict(status).what


@pytest.mark.parametrize("status", [None, 301, 307, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(status):
    assert "again" == verdict(status).what


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
def test_what_will_be_wrong_the_next_time_too_is_a_dead_letter(status):
    found = verdict(status, reason="it answers 422: no")
    assert ("dead", Code.REFUSED_BY_RECEIVER) == (found.what, found.code)
    assert "it answers 422: no; tried 1 time" == found.reason


def test_410_ends_the_hook():
    assert "gone" == verdict(410).what


def test_what_is_too_old_is_given_up_after_one_more_attempt():
    found = verdict(500, attempts=3, age_s=3601)
    assert ("dead", Code.UNAVAILABLE) == (found.what, found.code)
    assert "no; tried 3 times: given up, after 3600 s" == found.reason


def test_what_is_too_old_and_taken_is_delivered():
    assert "delivered" == verdict(200, age_s=1e9).what


def test_retry_after_is_kept_by_all_events_of_the_hook():
    found = verdict(503, retry_after_s=120)
    assert (120.0, True) == (found.delay_s, found.all_wait)


def test_retry_after_is_bounded():
    assert 3600.0 == verdict(503, retry_after_s=1e9).delay_s


def test_retry_after_does_not_shorten_the_wait():
    assert 32.0 == verdict(503, attempts=6, retry_after_s=1).delay_s


def test_the_wait_doubles_up_to_the_longest():
    assert [1, 2, 4, 32, 60, 60] == [backoff_s(RETRY, attempts, 0.5) for attempts in (1, 2, 3, 6, 7, 10_000)]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_chance_moves_the_wait_by_a_quarter_at_most(attempts, chance):
    middle = backoff_s(RETRY, attempts, 0.5)
    assert 0.75 * middle <= backoff_s(RETRY, attempts, chance) <= 1.25 * middle
