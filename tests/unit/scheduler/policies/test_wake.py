"""The wake policy: awake while somebody asks for a service, or in its hours; idle else; and who goes before whom."""

from datetime import timedelta
from typing import Any

import pytest

from funswarm.commands import ScaleCommand
from funswarm.messages import ResultStatus
from funswarm.sessions import Session
from funswarm.state import COMMAND_LABEL
from services.scheduler.policies.contract import Situation
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.record import Record
from services.scheduler.policies.wake import Memory, Wake, parse
from tests.builders import a_service
from tests.floors import NOW, a_case, a_result, a_world

ON = {"funswarm.wake.enable": "true"}


class Book:
    """Sessions that a test says are open; None: not read yet."""

    def __init__(self, *names, since=NOW):
        self.sessions: Any = {name: session(name, since) for name in names}
        self.watching = set()

    def open(self):
        return self.sessions

    def watches(self, name):
        self.watching.add(name)

    async def run(self, touch):
        raise NotImplementedError


def session(name, since=NOW):
    return Session(service=name, since=since, until=NOW + timedelta(minutes=5))


def looked(service, book, memory=None, *, beside=(), now=NOW, **others):
    """The verdict on a service."""
    policy = Wake(book)
    parsed = policy.parse(service)
    world = a_world([service, *beside], (policy,))
    situation = Situation(
        now=now, name=service.name, service=service, settings=parsed.settings, memory=memory, world=world,
        observed=book.open(), **others,
    )  # fmt: skip
    return policy.decide(situation)


def web(replicas=0, **labels):
    named = {f"funswarm.wake.{key.replace('_', '-')}": value for key, value in labels.items()}
    return a_service("web", replicas=replicas, labels=ON | named)


def asked(verdict):
    """The replicas that are asked for, None: nothing."""
    return None if verdict.ask is None else verdict.ask.command.replicas


def remembering(memory):
    """The record of the service `web`."""
    return Record(service="web", service_id="service-web", memories={"wake": memory.model_dump(mode="json")})


UP, RAISED, LOWERED, OFF = (Memory(phase=phase) for phase in ("up", "raised", "lowered", "off"))
IDLED = Memory(phase="idled")


# Awake and idle.
def test_a_session_wakes_a_service():
    verdict = looked(web(), Book("web"))
    assert (1, "up", RAISED) == (asked(verdict), verdict.ask.direction, verdict.ask.memory)


def test_it_gets_its_active_replicas():
    assert 3 == asked(looked(web(active_replicas="3"), Book("web")))


def test_one_that_is_awake_is_left_as_it_is():
    verdict = looked(web(replicas=5), Book("web"), RAISED)
    assert (None, UP) == (asked(verdict), verdict.memory)


def test_the_end_of_its_session_takes_it_to_its_idle_replicas():
    verdict = looked(web(replicas=3, active_replicas="3", idle_replicas="1"), Book(), UP)
    assert (1, "down") == (asked(verdict), verdict.ask.direction)
    assert "nobody asks for it any more" == verdict.said.reason


def test_what_sleeps_is_remembered_no_more():
    assert looked(web(), Book(), IDLED).memory is None


def test_nothing_is_taken_away_before_the_sessions_are_known():
    book = Book()
    book.sessions = None
    verdict = looked(web(replicas=1), book, UP)
    assert (None, UP) == (asked(verdict), verdict.memory)


def test_while_its_own_command_is_not_seen_nothing_is_concluded():
    sent = evaluate(a_case(web(), (Wake(Book("web")),))).record.sent["wake"]
    verdict = looked(web(), Book(), RAISED, sent=sent, result=a_result(sent.command.id, written_from=10))
    assert (None, RAISED) == (asked(verdict), verdict.memory)


def test_one_that_is_asked_for_again_just_when_it_was_idled_is_woken():
    assert 1 == asked(looked(web(), Book("web"), IDLED))


# Started otherwise.
def test_one_that_was_started_otherwise_stays_for_a_while():
    verdict = looked(web(replicas=1), Book())
    assert (None, NOW + timedelta(minutes=5)) == (asked(verdict), verdict.memory.idle_at)
    assert verdict.again_at == verdict.memory.idle_at


def test_then_it_goes_idle():
    started = Memory(phase="other", idle_at=NOW)
    assert 0 == asked(looked(web(replicas=1), Book(), started))


def test_how_long_is_a_label():
    verdict = looked(web(replicas=1, idle_after="1h"), Book())
    assert NOW + timedelta(hours=1) == verdict.memory.idle_at


# Somebody's hand.
def by(command, replicas=0):
    return a_service("web", replicas=replicas, labels=ON | {COMMAND_LABEL: command})


def test_one_that_somebody_scales_down_while_it_is_awake_stays_down():
    verdict = looked(by("ann-1"), Book("web"), UP)
    assert (None, LOWERED) == (asked(verdict), verdict.memory)


def test_until_its_session_is_over():
    assert looked(by("ann-1"), Book(), LOWERED).memory is None


def test_a_deploy_that_resets_it_is_no_hand():
    assert 1 == asked(looked(web(), Book("web"), UP))


# Hours.
def test_its_hours_wake_it_without_a_request():
    assert 1 == asked(looked(web(running_hours="11:00-13:00"), Book()))


def test_it_is_looked_at_when_its_hours_begin():
    verdict = looked(web(running_hours="13:00-14:00"), Book())
    assert NOW + timedelta(hours=1) == verdict.again_at


def test_the_end_of_its_hours_idles_it_and_a_session_keeps_it():
    over = web(replicas=1, running_hours="10:00-12:00")
    assert (0, None) == (asked(looked(over, Book(), UP)), asked(looked(over, Book("web"), UP)))


def test_hours_are_by_the_clocks_of_their_zone():
    assert 1 == asked(looked(web(running_hours="13:00-14:00", timezone="Europe/Berlin"), Book()))


# Anti-affinity.
def game(replicas=1, **labels):
    return a_service("game", replicas=replicas, labels=ON | {"funswarm.wake.group": "games"} | labels)


def test_it_is_idle_while_one_of_a_group_is_awake():
    verdict = looked(web(replicas=1, anti_affinity="games"), Book("web", "game"), UP, beside=[game()])
    assert (0, OFF) == (asked(verdict), verdict.ask.memory)
    assert "backs off from game" in verdict.said.reason


def test_it_is_not_woken_meanwhile():
    assert asked(looked(web(anti_affinity="games"), Book("web", "game"), beside=[game()])) is None


def test_it_goes_on_when_that_one_sleeps():
    assert 1 == asked(looked(web(anti_affinity="games"), Book(), OFF, beside=[game(0)]))


def going_on(replicas, status):
    """What it backed off from sleeps, and it was asked to go on: how that ended."""
    ours, policy = web(replicas=0, anti_affinity="games"), Wake(Book())
    first = evaluate(a_case(ours, (policy,), remembering(OFF), beside=[game(0)]))
    assert first.command is not None
    result = a_result(first.command.id, status=status, changed=status is ResultStatus.SUCCEEDED)
    ours = web(replicas=replicas, anti_affinity="games").model_copy(update={"version": 11})
    return evaluate(a_case(ours, (policy,), first.record, beside=[game(0)], results={first.command.id: result}))


def test_one_whose_going_on_was_refused_is_asked_to_at_the_next_version():
    plan = going_on(0, ResultStatus.REFUSED)
    assert (1, "back") == (plan.command.replicas, plan.record.memories["wake"]["phase"])


def test_one_whose_going_on_nobody_answered_is_asked_to_again():
    first = evaluate(a_case(web(anti_affinity="games"), (Wake(Book()),), remembering(OFF), beside=[game(0)]))
    late = {"beside": [game(0)], "now": NOW + timedelta(seconds=76)}
    assert evaluate(a_case(web(anti_affinity="games"), (Wake(Book()),), first.record, **late)).command is not None


def test_one_that_goes_on_was_started_otherwise():
    plan = going_on(1, ResultStatus.SUCCEEDED)
    assert (None, "other") == (plan.command, plan.record.memories["wake"]["phase"])


def test_one_that_is_stopped_as_it_went_on_stays_so():
    plan = going_on(0, ResultStatus.SUCCEEDED)
    assert (None, {}) == (plan.command, plan.record.memories)


def test_one_that_slept_before_is_not_started():
    assert asked(looked(web(anti_affinity="games"), Book(), None, beside=[game(0)])) is None


def test_it_is_looked_at_whenever_sessions_change():
    book = Book()
    looked(web(anti_affinity="games"), book)
    assert {"web"} == book.watching


def test_of_two_that_back_off_from_each_other_the_first_goes_on():
    book = Book("web")
    book.sessions |= {"game": session("game", NOW + timedelta(seconds=1))}
    ours, theirs = web(anti_affinity="games"), game(0, **{"funswarm.wake.anti-affinity": "default"})
    assert (1, None) == (asked(looked(ours, book, beside=[theirs])), asked(looked(theirs, book, beside=[ours])))


# With autoscale.
AUTOSCALED = {"funswarm.autoscale.enable": "true", "funswarm.autoscale.min": "0", "funswarm.autoscale.push": "1"}


def test_where_autoscale_scales_it_nothing_is_asked_for():
    service = a_service("web", replicas=0, labels=ON | AUTOSCALED)
    assert asked(looked(service, Book("web"))) is None


# In the frame.
def test_its_command_has_its_reason():
    plan = evaluate(a_case(web(), (Wake(Book("web")),)))
    assert isinstance(plan.command, ScaleCommand)
    assert ("wake", "somebody asks for it") == (plan.decisions[0].policy, plan.decisions[0].reason)


def test_it_is_raised_once():
    first = evaluate(a_case(web(), (Wake(Book("web")),)))
    again = evaluate(a_case(web(), (Wake(Book("web")),), Record.model_validate(first.record.model_dump())))
    assert again.command is None


# Labels.
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"sablier.enable": "1"}, "counts for nothing: write true"),
        ({"sablier.enable": "yes"}, "neither true nor false"),
        ({"sablier.enable": "true", "sablier.running-hours": "8-18"}, "are no hours"),
        ({"sablier.enable": "true", "sablier.running-hours": "08:00-08:00"}, "begins when it ends"),
        ({"sablier.enable": "true", "sablier.ready-after": "soon"}, "no duration"),
        ({"sablier.enable": "true", "sablier.active.replicas": "many"}, "valid integer"),
        ({"sablier.enable": "true", "sablier.running-days": "Mon"}, "give running-hours too"),
        ({"sablier.enable": "true", "sablier.idle.replicas": "2"}, "are more than active-replicas"),
        ({"sablier.group": "a"}, "not followed without"),
    ],
)
def test_a_label_that_is_wrong_is_told_and_nothing_is_done(labels, words):
    parsed = parse(a_service("web", labels=labels))
    assert parsed.settings is None
    assert words in parsed.problems[0].reason


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("sablier.active.cpu", "restart all tasks"),
        ("sablier.idle.blkio-weight", "Swarm has no"),
        ("sablier.x", "not taken"),
    ],
)
def test_what_of_sablier_s_labels_is_not_taken_is_told_and_the_rest_is_followed(label, words):
    parsed = parse(a_service("web", labels={"sablier.enable": "true", label: "1"}))
    assert parsed.settings is not None
    assert words in parsed.problems[0].reason


def test_sablier_s_switch_that_is_off_says_nothing():
    parsed = parse(a_service("web", labels={"sablier.enable": "false"}))
    assert (None, ()) == (parsed.settings, parsed.problems)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"funswarm.group": "shop"}, "use funswarm.wake.group"),
        ({**AUTOSCALED, "sablier.anti-affinity": "games"}, "anti-affinity is not followed"),
    ],
)
def test_what_does_not_go_together_is_told(labels, words):
    assert words in parse(a_service("web", labels=ON | labels)).problems[0].reason


def test_only_replicated_services_sleep():
    parsed = parse(a_service("web", labels=ON, mode="global", replicas=None))
    assert parsed.settings is None
    assert "only replicated services" in parsed.problems[0].reason
