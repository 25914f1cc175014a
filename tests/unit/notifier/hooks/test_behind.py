"""Which events a webhook missed because they were no longer kept."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from funswarm.hooks import Hook
from funswarm.subjects import Subjects
from services.bus.handouts import Standing
from services.notifier.hooks.behind import Behind
from services.notifier.hooks.keeping import Kept


class NoBus:
    subjects = Subjects()


KEPT = Kept(
    hook=Hook(name="a", url="http://x/"), source="put", incarnation="1", after=0, since=datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.fixture
def behind():
    return Behind(cast("Any", NoBus()))


def test_who_has_all_missed_nothing(behind):
    assert 0 == behind.lost(KEPT, Standing(0, 0, 10), None, 1, 10)


def test_what_went_before_it_was_handed_out_is_missed(behind):
    behind.lost(KEPT, Standing(10, 10, 0), None, 1, 10)
    assert 5 == behind.lost(KEPT, Standing(5, 5, 0), 10, 6, 10)


def test_it_is_told_once(behind):
    behind.lost(KEPT, Standing(5, 5, 0), None, 6, 10)
    assert 0 == behind.lost(KEPT, Standing(5, 5, 0), 5, 6, 10)


def test_what_was_not_to_be_delivered_is_not_missed(behind):
    behind.lost(KEPT, Standing(0, 0, 2), None, 1, 10)
    assert 0 == behind.lost(KEPT, Standing(0, 0, 2), 0, 9, 12)


def test_no_more_is_missed_than_was_to_be_delivered(behind):
    behind.lost(KEPT, Standing(2, 2, 0), None, 1, 10)
    assert 2 == behind.lost(KEPT, Standing(0, 0, 0), 2, 9, 12)


def test_a_hook_that_is_met_for_the_first_time_missed_nothing(behind):
    assert 0 == behind.lost(KEPT.model_copy(update={"after": None}), Standing(0, 0, 0), None, 100, 200)
