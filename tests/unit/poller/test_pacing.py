"""When the poller looks, and how often: with a clock that the tests move."""

from itertools import pairwise

import pytest

from services.poller.pacing import BURST, FASTEST, SLOWER, TURNS, TURNS_PER_S, Backoff, Due, ListPace, Moving, Turns

WEB = ("service", "web")
TASK = ("task", "t1")


def drain(due: Due, now: float) -> list[tuple[str, str]]:
    return due.take(1000, now)


def test_a_key_that_is_added_twice_is_handed_out_once():
    due = Due()
    due.add(WEB)
    due.add(WEB)

    assert drain(due, 0.0) == [WEB]


def test_services_go_before_tasks():
    due = Due()
    due.add(TASK)
    due.add(WEB)

    assert drain(due, 0.0) == [WEB, TASK]


def test_no_more_than_the_limit_is_taken():
    due = Due()
    for number in range(5):
        due.add(("service", str(number)))

    assert len(due.take(3, 0.0)) == 3
    assert len(due) == 2


def test_an_object_in_a_frenzy_is_handed_out_at_its_rate():
    due, handed_out = Due(), 0
    for millisecond in range(10_000):
        due.add(WEB)
        handed_out += len(due.take(1, millisecond / 1000))

    assert 115 <= handed_out <= 121  # a burst of 20, then 10 a second for 10 s


def test_a_frenzy_does_not_hold_up_others():
    due = Due()
    for _ in range(100):
        due.add(WEB)
        due.take(1, 0.0)
    due.add(TASK)

    assert drain(due, 0.0) == [TASK]


def test_a_held_key_comes_when_its_time_has_come():
    due = Due()
    for _ in range(int(BURST) + 1):
        due.add(WEB)
        due.take(1, 0.0)

    assert WEB in due
    wait_s = due.wait_s(0.0)
    assert wait_s
    assert drain(due, wait_s + 1e-6) == [WEB]


def test_nothing_due_waits_for_ever():
    assert Due().wait_s(0.0) is None


def test_buckets_of_quiet_objects_are_forgotten():
    due = Due()
    for number in range(1000):
        due.add(("service", str(number)))
    drain(due, 0.0)
    due.take(1, 100.0)

    assert not due._buckets


def test_lists_take_their_share_of_time():
    pace = ListPace(share=0.01, interval_max_s=600, interval_min_s=3)
    pace.note(0.5)

    assert pace.interval_s == 50


def test_cheap_lists_keep_a_least_interval_and_dear_ones_a_longest():
    pace = ListPace(share=0.01, interval_max_s=600, interval_min_s=3)
    pace.note(0.001)
    assert pace.interval_s == 3

    pace.note(60)
    assert pace.interval_s == 600


def test_backoff_doubles_up_to_its_end_and_starts_again_after_a_reset():
    backoff = Backoff(first_s=1, max_s=4)
    assert [backoff.wait_s() for _ in range(4)] == [1, 2, 4, 4]

    backoff.reset()
    assert backoff.wait_s() == 1


def polls_of_one_service(seconds: int, cost_s: float, settled: bool = False, busy: bool = True) -> list[float]:
    """When one service is polled that is touched at 1000.0 and never changes."""
    moving, now, polls = Moving(), 1000.0, []
    moving.touch("web", now)
    while now < 1000.0 + seconds:
        tier, due = moving.due(now, (*FASTEST, *SLOWER))
        if due:
            polls.append(now - 1000.0)
            now += cost_s
            moving.polled("web", now, settled=settled, busy=busy)
            moving.spent(tier, cost_s, now)
        wait_s = moving.wait_s(now, (*FASTEST, *SLOWER))
        if wait_s is None:
            break
        now += wait_s + 1e-6
    return polls


def test_a_touched_service_is_polled_at_once_and_quickly():
    polls = polls_of_one_service(1, 0.003)

    assert polls[0] == 0
    assert polls[1] < 0.03


def test_a_service_that_does_not_settle_is_polled_four_times_a_second_for_a_minute():
    polls = polls_of_one_service(60, 0.003)
    gaps = [later - earlier for earlier, later in pairwise(polls)]

    assert max(gaps) < 0.3


def test_a_service_that_never_settles_takes_half_a_percent_of_the_time_in_the_end():
    polls = [at for at in polls_of_one_service(600, 0.003) if at > 120]

    assert len(polls) * 0.003 / 480 <= 0.006


def test_a_settled_service_leaves_motion_after_five_quiet_seconds():
    polls = polls_of_one_service(600, 0.003, settled=True)

    assert 5 <= polls[-1] < 6


def test_a_slow_engine_is_not_asked_more_than_a_quarter_of_the_time():
    polls = polls_of_one_service(60, 2.0)

    assert len(polls) <= 60 / 8 + 1


def in_the_fastest_tier(*, busy: bool, for_s: float) -> bool:
    """Whether a service that is touched at 0.0 and polled every 20 ms is still there."""
    moving = Moving()
    moving.touch("web", 0.0)
    for hundredth in range(int(for_s * 100)):
        moving.polled("web", hundredth / 100, settled=False, busy=busy)
    return moving.due(for_s + 0.3, FASTEST) == (0, ["web"])


def test_a_service_whose_tasks_are_on_their_way_stays_in_the_fastest_tier():
    assert in_the_fastest_tier(busy=True, for_s=9.0)


def test_an_idle_service_leaves_the_fastest_tier_within_a_second():
    assert in_the_fastest_tier(busy=False, for_s=0.1)
    assert not in_the_fastest_tier(busy=False, for_s=0.6)


def test_an_idle_service_is_polled_a_few_times_after_a_hint():
    polls = [at for at in polls_of_one_service(1, 0.003, busy=False) if at < 0.5]

    assert 4 <= len(polls) <= 8


def test_an_idle_service_that_was_not_polled_yet_stays_in_the_fastest_tier():
    moving = Moving()
    moving.touch("web", 0.0)
    moving.polled("web", 0.0, settled=False, busy=False)
    moving.touch("web", 5.0)

    assert moving.due(9.0, FASTEST) == (0, ["web"])


def test_a_service_that_is_not_polled_yet_stays_in_the_fastest_tier_however_late():
    """Where polls are dear, as in a Swarm full of crash loops: a slower tier may wait for minutes more."""
    moving = Moving()
    moving.touch("web", 0.0)

    assert moving.due(100.0, FASTEST) == (0, ["web"])


def test_a_thousand_waiting_services_do_not_delay_a_fresh_one():
    moving = Moving()
    moving.keep([str(number) for number in range(1000)], 0.0)
    tier, _ = moving.due(4.0, SLOWER)
    moving.spent(tier, 3.0, 4.0)
    moving.touch("fresh", 4.1)

    assert moving.due(4.1, FASTEST) == (0, ["fresh"])


def test_keeping_a_service_that_is_in_motion_does_not_slow_it():
    moving = Moving()
    moving.touch("web", 0.0)
    moving.keep(["web"], 0.0)

    assert moving.due(0.0, FASTEST) == (0, ["web"])
    assert len(moving) == 1


@pytest.mark.parametrize(("took_s", "gap_s"), [(0.1, 0.9), (30.0, 5.0)])
def test_lists_that_are_asked_for_without_end_take_a_tenth_of_the_time_at_most(took_s, gap_s):
    pace = ListPace(0.01, 600.0, 2.0)
    pace.note(took_s)
    assert gap_s == pytest.approx(pace.gap_s)


def test_a_dropped_service_is_no_longer_polled():
    moving = Moving()
    moving.touch("s1", 1000.0)
    moving.drop("s1")
    moving.drop("unknown")

    assert (0, (0, [])) == (len(moving), moving.due(1001.0, (0,)))


def test_turns_after_quiet_are_at_once():
    turns = Turns()
    assert [0.0] * int(TURNS) == [turns.wait_s(100.0) for _ in range(int(TURNS))]


def test_turns_in_a_burst_come_at_their_rate():
    turns, now = Turns(), 100.0
    for _ in range(int(TURNS) + int(TURNS_PER_S)):
        now += turns.wait_s(now)
    assert 101.0 == pytest.approx(now)


def test_after_a_burst_and_quiet_the_next_turn_is_at_once():
    turns = Turns()
    for _ in range(100):
        turns.wait_s(100.0)
    assert 0.0 == turns.wait_s(100.0 + 100 / TURNS_PER_S)
