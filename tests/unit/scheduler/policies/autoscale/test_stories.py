"""Autoscaling in the frame, from beginning to end: good days and bad ones."""

from datetime import timedelta
from typing import Any

import pytest

from funswarm.decisions import DecisionOutcome
from funswarm.spec import REPLICAS_MAX
from funswarm.state import UpdateStatus
from services.scheduler.policies.autoscale.measures import Measured
from tests.builders import a_task
from tests.floors import NOW, Floor
from tests.unit.scheduler.policies.autoscale.story import LONG_AGO, Story

LAG: dict[str, Any] = {"lag": "100", "stream": "ORDERS", "consumer": "work", "max": "20"}
FAST: dict[str, Any] = {"push": "10", "max": "20", "down_window": "0s", "down_percent": "100"}


def test_a_spike_of_lag_is_answered_at_once_between_two_rounds():
    story = Story(2, **LAG)
    assert 2 == story.at(0, lag=200)
    assert 5 == story.at(2, lag=450)


def test_the_decision_says_from_what_and_how():
    story = Story(1, **LAG)
    story.at(0, lag=450)
    told = story.told[-1]
    assert ("lag wants 5", 450, "lag: ceil(450 / 100) = 5") == (told.reason, told.inputs["lag"], told.formula)


def test_looks_between_two_rounds_change_nothing_that_is_kept():
    story = Story(2, **FAST)
    assert [2, 2] == [story.at(second, push=value) for second, value in ((0, 20), (1, 10))]
    assert 1 == story.at(120, push=10)


def test_a_trigger_that_flaps_does_not_make_the_service_flap():
    story = Story(2, push="10", max="20")
    counts = [story.at(15 * number, push=40 if number % 2 else 5) for number in range(40)]
    assert [2] + [4] * 39 == counts


def test_where_metrics_vanish_it_never_goes_down():
    story = Story(6, **FAST)
    assert 6 == story.at(0, push=60)
    assert {6} == {story.at(15 * number, push="it cannot be read") for number in range(1, 60)}


def test_where_metrics_grow_old_they_count_as_gone():
    story = Story(6, **FAST, push_age="30s")
    assert 6 == story.at(0, push=60)
    before = story.gauges.measured
    assert 6 == story.at(300)
    assert before == story.gauges.measured
    assert "older than 30 s" in story.told[-1].reason


def test_where_metrics_are_away_for_long_the_fallback_holds():
    story = Story(2, **FAST, fallback="5", fallback_after="3")
    assert [2, 2, 5] == [story.at(15 * number, push="away") for number in range(3)]


def test_while_something_is_read_for_the_first_time_nothing_is_decided():
    story = Story(2, **FAST)
    story.gauges.measured = Measured(pending=True)
    assert 2 == story.at(0)
    assert [] == story.told


def test_many_looks_in_one_round_are_one_failure():
    story = Story(2, **FAST, fallback="5", fallback_after="3")
    assert {2} == {story.at(number / 10, push="away") for number in range(20)}


def test_during_a_rollout_nothing_is_asked_for_and_afterwards_it_is():
    story = Story(2, **FAST)
    rolling = a_rollout("updating")
    story.written(2, update_status=rolling)
    assert [2, 2] == [story.at(second, push=90) for second in (0, 15)]
    assert "its rollout is updating" in story.told[-1].reason
    story.written(2, update_status=a_rollout("completed"))
    assert 4 < story.at(30, push=90)


def test_a_user_s_hand_is_left_alone_for_a_while():
    story = Story(2, push="10", max="20", hand="60s")
    assert 4 == story.at(0, push=40)
    story.written(2)
    assert [2, 2] == [story.at(second, push=40) for second in (15, 59)]
    assert "left to whoever wrote it" in story.limiter
    assert 4 == story.at(75, push=40)


def test_what_a_deploy_resets_is_brought_back():
    story = Story(1, push="10", max="20")
    assert [5, 5] == [story.at(second, push=90) for second in (0, 1)]
    story.written(1, label=None)
    assert 5 == story.at(3)
    assert "deployed anew" in story.told[-1].reason


def test_a_deploy_is_let_be_where_that_is_asked_for():
    story = Story(1, push="10", max="20", sticky="false")
    assert [5, 5] == [story.at(second, push=90) for second in (0, 1)]
    story.written(1, label=None)
    assert 1 == story.at(3)


def test_a_deploy_to_zero_puts_it_out_of_use():
    story = Story(1, push="10", max="20")
    assert [5, 5] == [story.at(second, push=90) for second in (0, 1)]
    story.written(0, label=None)
    assert [0, 0] == [story.at(second, push=90) for second in (15, 400)]


def test_what_a_hand_had_set_is_what_is_brought_back_after_a_deploy():
    story = Story(1, push="10", max="20")
    story.at(0, push=50)
    story.written(3, label="by-ann")
    story.at(15, push=50)
    story.written(1, label=None)
    assert 3 == story.at(30, push=50)


def test_to_zero_and_back():
    story = Story(1, push="10", min="0", cooldown="1m")
    assert [1, 1, 0] == [story.at(second, push=value) for second, value in ((0, 5), (45, 0), (75, 0))]
    assert 0 == story.at(90, push=0)
    assert 1 == story.at(92, push=1)


def test_hooks_go_up_by_their_step_once_for_each():
    story = Story(2, step_up="2", step_down="1", max="9")
    assert 2 == story.at(0)
    story.hears("up")
    assert [4, 4, 4] == [story.at(second) for second in (1, 2, 20)]


def test_hooks_go_down_when_the_window_is_over():
    story = Story(4, step_down="1", max="9", down_window="60s")
    story.at(0)
    story.hears("down")
    assert [4, 3, 3] == [story.at(second) for second in (15, 90, 300)]


def test_besides_other_triggers_a_hook_that_was_never_called_says_nothing():
    story = Story(3, **FAST, step_up="2")
    assert 1 == story.at(0, push=10)


def test_steps_lead_no_further_than_max():
    story = Story(2, step_up="2", step_down="1", max="4", down_window="0s")
    story.at(0)
    counts = []
    for way in ("up", "up", "up", "down"):
        story.hears(way)
        counts.append(story.at((story.now - NOW).total_seconds() + 20))
    assert [4, 4, 4, 3] == counts


def test_what_steps_had_led_to_is_over_with_a_hand():
    story = Story(2, step_up="2", max="9", hand="60s")
    story.at(0)
    story.hears("up")
    assert 4 == story.at(1)
    story.written(2)
    assert [2, 2] == [story.at(second) for second in (15, 90)]


def test_what_tasks_used_long_ago_is_no_measure():
    story = Story(2, cpu="50", max="9")
    story.uses(_1=0.9, _2=0.9)
    assert 2 == story.at(61)


def test_tasks_that_use_much_get_company():
    story = Story(2, cpu="50", max="9")
    story.uses(_1=0.9, _2=0.9)
    assert 4 == story.at(0)


def test_tasks_that_use_much_memory_get_company():
    story = Story(2, memory="50", max="9")
    story.uses(230 << 20, _1=0, _2=0)
    assert 4 == story.at(0)


@pytest.mark.parametrize(("warm_up", "expected"), [("60s", 2), ("10s", 3)])
def test_a_task_that_warms_up_is_no_measure(warm_up, expected):
    story = Story(2, cpu="50", max="9", warm_up=warm_up)
    began = (story.now - timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    story.tasks = [a_task(slot=1, node="n0", timestamp=LONG_AGO), a_task(slot=2, node="n0", timestamp=began)]
    story.uses(_1=0.5, _2=0.99)
    assert expected == story.at(0)


def test_without_an_agent_it_stays():
    story = Story(2, cpu="50", max="9")
    assert 2 == story.at(0)
    assert "no node agent" in story.told[-1].reason


def test_uneven_nodes_are_filled_in_waves():
    story = Story(4, nodes=3, push="10", max="20")
    story.tasks = [a_task(slot=slot, node="n0") for slot in range(1, 5)]
    assert 6 == story.at(0, push=200)
    assert "nodes are uneven: 2 at once" in story.limiter


def test_no_more_than_nodes_have_room_for():
    story = Story(1, nodes=2, push="10", max="20")
    placement = {"Placement": {"MaxReplicas": 2}}
    story.service = story.service.model_copy(update={"spec": {"TaskTemplate": placement}})
    assert 4 == story.at(0, push=200)
    assert "room for 4" in story.limiter


def test_while_tasks_wait_for_a_node_there_come_no_more():
    story = Story(2, push="10", max="20")
    story.tasks = [a_task(slot=1, node="n0"), a_task(slot=2, node=None, state="pending")]
    assert 2 == story.at(0, push=200)
    assert "wait for a node" in story.limiter


def test_a_failover_resets_no_window():
    story = Story(8, push="10", max="20")
    story.at(0, push=80)
    story.at(285, push=10)
    story.fails_over()
    assert 8 == story.at(300)  # not read yet
    assert [8, 8] == [story.at(second, push=10) for second in (303, 315)]
    story.fails_over()
    assert [8, 6] == [story.at(second, push=10) for second in (614, 615)]


def test_a_clock_that_jumps_back_stops_nothing():
    story = Story(2, push="10", down_window="60s")
    story.at(3600, push=20)
    assert [2, 2, 1] == [story.at(second, push=10) for second in (0, 30, 90)]


def test_a_clock_that_jumps_ahead_takes_nothing_away_before_a_window_is_over():
    story = Story(8, push="10", max="20")
    story.at(0, push=80)
    assert [8, 8, 6] == [story.at(second, push=10) for second in (7200, 7499, 7500)]


def test_of_two_policies_that_disagree_the_earlier_one_writes_and_the_other_says_so():
    story = Story(2, push="10", max="20")
    story.governed_by(Floor(), floor="5")
    assert 5 == story.at(0, push=90)
    assert ("autoscale", "floor has it: it is writing it") == (story.told[-1].policy, story.limiter)
    assert 6 == story.at(15, push=90)


def test_what_was_refused_counts_neither_for_the_rate_nor_as_what_there_was():
    story = Story(1, push="10", max="20", min="1")
    story.refuses = True
    assert [1, 1] == [story.at(second, push=50) for second in (0, 11)]
    story.refuses = False
    assert [1, 5] == [story.at(second, push=value) for second, value in ((20, 10), (31, 50))]


def test_what_swarms_own_write_came_before_is_asked_for_when_that_is_told():
    story = Story(1, push="10", max="20", min="1")
    story.refuses = True
    story.at(0, push=50)
    story.refuses = False
    assert 1 == story.at(1, push=50)
    story.written(1)
    assert 5 == story.at(2, push=50)


def test_what_nobody_answered_is_asked_for_again_when_it_must_have_ended():
    story = Story(1, push="10", max="20", min="1")
    story.answers = False
    story.at(0, push=50)
    story.answers = True
    assert [1, 5] == [story.at(second, push=50) for second in (74, 75)]


def test_out_of_use_it_is_not_looked_at_again_and_again():
    story = Story(0, **FAST)
    story.at(0, push=90)
    told = len(story.told)
    assert [0, 0] == [story.at(second, push=90 + second) for second in (1, 2)]
    assert told == len(story.told)


def test_what_there_is_when_it_begins_stays_for_the_window():
    story = Story(6, push="10", max="20")
    assert [6, 6, 4] == [story.at(second, push=10) for second in (0, 285, 315)]


def test_a_dry_run_only_tells():
    story = Story(2, **FAST, dry_run="true")
    assert 2 == story.at(0, push=90)
    assert DecisionOutcome.DRY_RUN is story.told[-1].outcome


def test_paused_downwards_it_still_goes_up():
    story = Story(4, **FAST, pause="down")
    assert [4, 8] == [story.at(second, push=value) for second, value in ((0, 10), (30, 80))]


def test_a_huge_number_stays_within_max():
    story = Story(1, push="1", max=str(REPLICAS_MAX), up_tasks="100000000" if REPLICAS_MAX >= 10**8 else "4")
    assert story.at(0, push=1e300) <= REPLICAS_MAX


def a_rollout(state: str) -> UpdateStatus:
    return UpdateStatus(state=state)
