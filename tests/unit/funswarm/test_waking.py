"""Which services are woken by requests, as their labels say; and when their hours are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funswarm.waking import WakeSettings, wake_settings
from services.scheduler.policies.wake import parse
from tests.builders import a_service

ON = {"sablier.enable": "true"}


def of(**labels):
    found = wake_settings("replicated", ON | {key.replace("_", "."): value for key, value in labels.items()})
    assert found is not None
    return found


def hours(text, days=(), zone=None):
    return WakeSettings.model_validate({"running_hours": text, "running_days": days, "timezone": zone})


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_a_label_a_service_is_not_woken():
    assert wake_settings("replicated", {}) is None


def test_sablier_s_labels_are_taken():
    found = of(sablier_group=" a, b,a ", sablier_active_replicas="2", sablier_idle_replicas="1")
    assert (("a", "b"), 2, 1) == (found.group, found.active_replicas, found.idle_replicas)


@pytest.mark.parametrize("text", ["", " , "])
def test_an_empty_group_is_the_default_one(text):
    assert ("default",) == of(sablier_group=text).group


def test_ours_win():
    labels = {
        "sablier.enable": "false",
        "funswarm.wake.enable": "true",
        "sablier.group": "a",
        "funswarm.wake.group": "b",
    }
    found = wake_settings("replicated", labels)
    assert found is not None
    assert ("b",) == found.group


@pytest.mark.parametrize("value", ["1", "TRUE", "yes", "", "false"])
def test_sablier_s_switch_knows_true_only(value):
    assert wake_settings("replicated", {"sablier.enable": value}) is None


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5)])
def test_durations_are_go_s(text, seconds):
    found = wake_settings("replicated", ON | {"sablier.ready-after": text})
    assert found is not None
    assert seconds == found.ready_after


def test_a_wrong_label_wakes_nothing():
    assert wake_settings("replicated", ON | {"sablier.ready-after": "soon"}) is None


VALUES = st.sampled_from(
    ["true", "false", "1", "2", "a,b", "", "30s", "08:00-18:00", "22:00-06:00", "Mon,tuesday", "x"]
)
LABELS = st.dictionaries(
    st.sampled_from(
        [f"{prefix}{key}" for prefix in ("sablier.", "funswarm.wake.") for key in (
            "enable", "group", "ready-after", "ready-on-start", "running-hours", "running-days", "anti-affinity")]
        + ["sablier.active.replicas", "funswarm.wake.idle-replicas", "funswarm.wake.active-replicas"]
    ),
    VALUES,
)  # fmt: skip


@given(LABELS)
def test_the_api_and_the_scheduler_read_the_same(labels):
    settings = parse(a_service("web", labels=labels)).settings
    theirs = None if settings is None else WakeSettings(**settings.model_dump(exclude={"autoscaled"}))
    assert wake_settings("replicated", labels) == theirs


def test_hours_are_from_their_beginning_to_before_their_end():
    eight = hours("08:00-18:00")
    inside = [eight.hours_at(at(f"2026-11-23T{time}")) is not None for time in ("07:59:59", "08:00", "17:59", "18:00")]
    assert [False, True, True, False] == inside


def test_hours_over_midnight_count_for_the_day_on_which_they_begin():
    friday = hours("22:00-06:00", "Fri")
    times = ("2026-11-27T05:00", "2026-11-27T22:30", "2026-11-28T05:59", "2026-11-28T22:30")
    assert [False, True, True, False] == [friday.hours_at(at(time)) is not None for time in times]


def test_the_next_hours_are_on_the_next_of_their_days():
    assert at("2026-11-27T22:00") == hours("22:00-06:00", "Friday").hours_after(at("2026-11-23T12:00")).start


def test_hours_follow_the_clocks_of_their_zone():
    berlin = hours("08:00-18:00", zone="Europe/Berlin")
    assert [at("2026-10-24T06:00"), at("2026-10-25T07:00")] == [
        berlin.hours_after(at(f"2026-10-{day}T00:00")).start for day in (24, 25)
    ]


@given(
    st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda one: one[0] != one[1]),
    st.sampled_from([None, "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    st.integers(0, 366 * 1440).map(lambda minutes: at("2026-01-01T00:00") + timedelta(minutes=minutes)),
)
def test_inside_or_before_the_next(minutes, zone, now):
    settings = WakeSettings(running_hours=minutes, timezone=zone)
    inside, coming = settings.hours_at(now), settings.hours_after(now)
    assert coming is not None
    assert now < coming.start <= now + timedelta(days=2)
    assert inside is None or inside.start <= now < inside.end <= coming.start
