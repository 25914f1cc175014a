"""How all is, from what the parts say."""

from datetime import UTC, datetime

from funswarm.health import assess
from funswarm.messages import PartHealth

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_part(part, instance="1", **others):
    values = {"part": part, "instance": instance, "version": "1", "started_at": NOW, "active": True, "ok": True}
    return PartHealth(**values | others)


def test_an_active_poller_and_scheduler_are_well():
    health = assess([a_part("poller"), a_part("scheduler")], [], "c")

    assert (True, ()) == (health.ok, health.reasons)


def test_a_part_that_nobody_answers_for_is_named():
    assert ("no scheduler answers: start one",) == assess([a_part("poller")], [], None).reasons


def test_a_standby_alone_is_not_well():
    health = assess([a_part("poller"), a_part("scheduler", active=False)], [], None)

    assert not health.ok
    assert "no scheduler is active: 1 on standby" in health.reasons[0]


def test_why_no_copy_can_become_active_is_told():
    waiting = a_part("poller", active=False, ok=False, reason="the engine is in no Swarm")
    (reason,) = assess([waiting, a_part("scheduler")], [], None).reasons

    assert "no poller is active: 1 on standby, 1: the engine is in no Swarm" == reason


def test_a_standby_beside_the_active_copy_is_well_whatever_it_says():
    standby = a_part("poller", "2", active=False, ok=False, reason="engine away")

    assert assess([a_part("poller"), standby, a_part("scheduler")], [], None).ok


def test_the_reason_of_an_active_part_is_told():
    health = assess([a_part("poller", ok=False, reason="engine away"), a_part("scheduler")], [], None)

    assert ("poller 1: engine away",) == health.reasons


def test_one_part_on_the_simulator_makes_all_say_so():
    assert assess([a_part("poller", simulator=True), a_part("scheduler")], [], None).simulator


def test_the_active_copy_comes_first():
    health = assess([a_part("poller", "1", active=False), a_part("poller", "2"), a_part("scheduler")], [], None)

    assert ["2", "1", "1"] == [part.instance for part in health.parts]
