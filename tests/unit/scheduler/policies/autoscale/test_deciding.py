"""How many replicas there shall be: what damps, what bounds, to zero and from it, and what always holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.policies.autoscale.deciding import Decided, Seen, decide
from services.scheduler.policies.autoscale.proposals import Amount, Failed, Reading, Tasks, Use
from services.scheduler.policies.autoscale.settings import Settings
from services.scheduler.policies.autoscale.windows import KEPT_MAX, Memory

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
BROKEN = Failed("lag", "no consumer")


def settings(**fields: Any) -> Settings:
    return Settings.model_validate({"push": 10, "max": 20, **fields})


def seen(current: int, *readings: Reading, **fields: Any) -> Seen:
    return Seen(Tasks(current, frozenset(map(str, range(current)))), readings, **fields)


def push(total: float) -> Amount:
    return Amount("push", 10, total)


class Story:
    """Decisions one after the other, each carried out."""

    def __init__(self, current: int, **fields: Any) -> None:
        self.current, self.settings, self.now = current, settings(**fields), NOON
        self.memory: Memory | None = None

    def at(self, seconds: float, *readings: Reading, **fields: Any) -> Decided:
        self.now = NOON + timedelta(seconds=seconds)
        decided = decide(seen(self.current, *readings, **fields), self.settings, self.memory, self.now)
        self.memory = decided.memory
        if decided.replicas != self.current:
            self.memory = self.memory.changes(decided.replicas - self.current, self.settings, self.now)
        self.current = decided.replicas
        return decided


# Triggers.
def test_the_highest_proposal_counts():
    decided = decide(seen(2, push(30), Amount("lag", 100, 600)), settings(), None, NOON)
    assert (6, "lag wants 6") == (decided.replicas, decided.reason)


def test_with_a_trigger_that_failed_it_never_goes_down():
    decided = decide(seen(5, push(10), BROKEN), settings(down_window=0, down_percent=100), None, NOON)
    assert (5, True) == (decided.replicas, "lag cannot be read" in (decided.limiter or ""))


def test_with_a_trigger_that_failed_it_may_go_up():
    assert 6 == decide(seen(5, push(60), BROKEN), settings(), None, NOON).replicas


@pytest.mark.parametrize(
    ("behaviour", "fallback", "expected"),
    [("static", 3, 3), ("higher", 3, 5), ("higher", 8, 8), ("lower", 3, 3), ("lower", 8, 5)],
)
def test_where_all_fail_for_long_the_fallback_holds(behaviour, fallback, expected):
    story = Story(5, fallback=fallback, fallback_behaviour=behaviour, down_window=0, down_percent=100)
    assert [5, 5, expected] == [story.at(15 * number, BROKEN).replicas for number in range(3)]


def test_a_reading_in_between_puts_the_fallback_off():
    story = Story(5, fallback=9, fallback_after=2)
    readings: tuple[Reading, ...] = (BROKEN, push(50), BROKEN)
    for number, reading in enumerate(readings):
        assert 5 == story.at(15 * number, reading).replicas


def test_only_rounds_in_which_nothing_could_be_read_count_as_failures():
    story = Story(5, fallback=9, fallback_after=2)
    rounds: tuple[tuple[Reading, ...], ...] = ((push(50), BROKEN), (push(50), BROKEN), (BROKEN,))
    assert [5, 5, 5] == [story.at(15 * number, *readings).replicas for number, readings in enumerate(rounds)]


def test_tasks_that_warm_up_are_no_failure():
    story = Story(2, fallback=9)
    assert {2} == {story.at(15 * number, Use("cpu", 50)).replicas for number in range(10)}


# Windows and rates.
def test_up_is_at_once_and_down_waits_for_its_window():
    story = Story(2)
    assert 4 == story.at(0, push(40)).replicas
    assert 4 == story.at(15, push(10)).replicas
    assert 4 == story.at(299, push(10)).replicas
    assert 3 == story.at(315, push(10)).replicas


def test_up_waits_for_its_window_where_one_is_asked_for():
    story = Story(2, up_window=60)
    story.at(0, push(20))
    assert [2, 2] == [story.at(at, push(40)).replicas for at in (15, 74)]
    assert 4 == story.at(75, push(40)).replicas


def test_what_is_wanted_on_and_on_leaves_nothing_new_to_keep():
    story = Story(4)
    story.at(0, push(40))
    before = story.memory
    assert [before] * 3 == [story.at(at, push(40)).memory for at in (15, 30, 900)]


def test_what_was_wanted_for_long_counts_until_something_else_is():
    story = Story(4)
    for at in (0, 15, 30):
        story.at(at, push(40))
    assert [4, 4, 3] == [story.at(at, push(10)).replicas for at in (45, 344, 345)]


def test_up_goes_by_its_rate():
    story = Story(1)
    assert [5, 5, 10, 10, 20] == [story.at(at, push(1000)).replicas for at in (0, 15, 30, 45, 60)]


def test_down_goes_by_its_rate():
    story = Story(8, down_window=0)
    assert [6, 6, 4, 3, 2] == [story.at(at, push(10)).replicas for at in (0, 30, 60, 120, 180)]


def test_a_memory_is_bounded():
    story = Story(1)
    for number in range(500):
        story.at(15 * number, push(10 * (number % 9)))
    assert story.memory is not None
    assert (21, True) >= (len(story.memory.recommended), len(story.memory.changed) < 10)


def test_a_memory_is_bounded_also_where_numbers_change_each_moment():
    story = Story(1)
    for number in range(KEPT_MAX + 50):
        story.at(number / 10, push(10 * (number % 9)))
    assert story.memory is not None
    assert KEPT_MAX == len(story.memory.recommended)


# Floors.
@pytest.mark.parametrize(("hour", "expected"), [(7, 1), (8, 5), (12, 5), (19, 5), (20, 1)])
def test_a_floor_holds_in_its_window(hour, expected):
    asked = settings(floors="0 8 * * mon-fri to 0 20 * * mon-fri = 5", timezone="UTC")
    assert expected == decide(seen(1, push(10)), asked, None, NOON.replace(hour=hour)).replicas


def test_the_highest_of_several_floors_holds():
    asked = settings(floors="@daily to 0 23 * * * = 2; 0 11 * * * to 0 13 * * * = 4")
    assert 4 == asked.floor(NOON)


# Zero.
def test_to_zero_when_nothing_was_to_do_for_the_cooldown():
    story = Story(1, min=0, cooldown=60)
    assert [1, 1, 0] == [story.at(at, push(total)).replicas for at, total in ((0, 5), (59, 0), (60, 0))]


def test_what_tasks_use_does_not_keep_them_from_zero():
    story = Story(1, min=0, cooldown=60)
    idle = Use("cpu", 50, {"0": 1.0})
    assert [1, 0] == [story.at(at, push(0), idle).replicas for at in (0, 60)]


def test_a_floor_alone_leads_from_zero_and_to_it():
    story = Story(0, push=None, min=0, cooldown=60, floors="0 8 * * * to 0 20 * * * = 3", timezone="UTC")
    evening, morning = 8 * 3600, 20 * 3600
    assert [3, 3, 3, 0, 0, 3] == [
        story.at(at).replicas for at in (0, evening - 1, evening + 58, evening + 59, morning - 1, morning)
    ]


def test_a_clock_that_jumps_back_does_not_keep_it_from_zero():
    story = Story(1, min=0, cooldown=60)
    assert [1, 1, 0] == [story.at(at, push(total)).replicas for at, total in ((9000, 5), (0, 0), (60, 0))]


def test_from_zero_as_soon_as_there_is_something_to_do():
    assert 1 == decide(seen(0, push(0.1)), settings(min=0), None, NOON).replicas
    assert 0 == decide(seen(0, push(3)), settings(min=0, activation=3), None, NOON).replicas


def test_who_asks_for_it_wakes_it_keeps_it_and_lets_it_go_after_the_cooldown():
    story = Story(0, min=0, cooldown=60)
    assert [2, 2, 2, 0] == [
        story.at(at, push(0), awake=awake).replicas for at, awake in ((0, 2), (600, 2), (659, 0), (660, 0))
    ]


def test_what_there_is_to_do_counts_above_who_asks_for_it():
    decided = decide(seen(2, push(90), awake=2), settings(min=0), None, NOON)
    assert (6, "push wants 9") == (decided.replicas, decided.reason)


def test_not_to_zero_while_a_trigger_cannot_be_read():
    story = Story(1, min=0, cooldown=10)
    assert [1, 1] == [story.at(at, push(0), BROKEN).replicas for at in (0, 60)]


def test_a_service_that_somebody_has_scaled_to_zero_is_left_alone():
    decided = decide(seen(0, push(90)), settings(), None, NOON)
    assert (0, True) == (decided.replicas, "out of use" in decided.reason)


# Bounds.
def test_to_min_it_goes_at_once():
    assert 10 == decide(seen(1, push(10)), settings(min=10), None, NOON).replicas


def test_a_rollout_is_left_alone():
    assert 2 == decide(seen(2, push(90), rollout="updating"), settings(), None, NOON).replicas


def test_windows_go_on_during_a_rollout():
    story = Story(4)
    for number in range(20):
        story.at(30 * number, push(40), rollout="updating")
    assert 4 == story.at(600, push(10)).replicas


def test_from_zero_a_rollout_is_left_alone_too():
    assert 0 == decide(seen(0, push(90), rollout="paused"), settings(min=0), None, NOON).replicas


def test_not_up_while_tasks_wait_for_a_node():
    assert 2 == decide(seen(2, push(90), unplaced=True), settings(), None, NOON).replicas


def test_not_beyond_the_room_that_nodes_have():
    decided = decide(seen(2, push(60), room=4), settings(), None, NOON)
    assert (4, "the nodes have room for 4") == (decided.replicas, decided.limiter)


@pytest.mark.parametrize(
    ("per_node", "expected"),
    [({"a": 4, "b": 0, "c": 0, "d": 0}, 7), ({"a": 4, "b": 3, "c": 0, "d": 2}, 5), ({"a": 1, "b": 1, "c": 1}, 8)],
)
def test_where_nodes_are_uneven_it_goes_up_by_as_many_as_there_are_emptiest_ones(per_node, expected):
    assert expected == decide(seen(4, push(80), per_node=per_node), settings(), None, NOON).replicas


# Laws.
TOTALS = st.lists(st.floats(0, 1000), min_size=1, max_size=6)


@given(current=st.integers(0, 60), low=st.integers(0, 10), span=st.integers(1, 30), totals=TOTALS, broken=st.booleans())
def test_it_never_leads_out_of_its_bounds(current, low, span, totals, broken):
    story = Story(current, min=low, max=low + span)
    for number, total in enumerate(totals):
        before = story.current
        after = story.at(15 * number, push(total), *([BROKEN] if broken else [])).replicas
        assert after == before or low <= after <= low + span


@given(current=st.integers(1, 20), ratio=st.floats(0.901, 1.099))
def test_within_the_tolerance_nothing_changes(current, ratio):
    assert current == decide(seen(current, push(10 * current * ratio)), settings(), None, NOON).replicas


@given(current=st.integers(0, 30), total=st.floats(0, 1000))
def test_the_same_inputs_give_the_same_decision(current, total):
    scene = seen(current, push(total))
    assert decide(scene, settings(), Memory(), NOON) == decide(replace(scene), settings(), Memory(), NOON)
