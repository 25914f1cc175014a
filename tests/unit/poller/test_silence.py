"""Silence: changes that lists find and the event stream did not tell of."""

from services.poller.silence import GRACE_S, Silence

WEB = ("service", "web")


def test_a_change_that_was_told_is_no_silence():
    silence = Silence()
    silence.hinted(WEB, 5.0)
    silence.listed(WEB, since=1.0, now=6.0)

    assert silence.culprits(100.0) == []


def test_a_change_that_was_never_told_is_silence():
    silence = Silence()
    silence.listed(WEB, since=1.0, now=6.0)

    assert silence.culprits(6.0 + GRACE_S) == [WEB]


def test_an_event_that_comes_a_little_after_the_list_is_in_time():
    silence = Silence()
    silence.listed(WEB, since=1.0, now=6.0)
    silence.hinted(WEB, 6.5)

    assert silence.culprits(100.0) == []


def test_nothing_is_judged_before_its_grace_is_over():
    silence = Silence()
    silence.listed(WEB, since=1.0, now=6.0)

    assert silence.culprits(6.0 + GRACE_S / 2) == []


def test_an_old_event_does_not_explain_a_new_change():
    silence = Silence()
    silence.hinted(WEB, 0.5)
    silence.listed(WEB, since=1.0, now=6.0)

    assert silence.culprits(100.0) == [WEB]


def test_a_new_stream_starts_without_suspicion():
    silence = Silence()
    silence.listed(WEB, since=1.0, now=6.0)
    silence.opened()

    assert silence.culprits(100.0) == []


def test_old_events_are_forgotten():
    silence = Silence()
    silence.hinted(WEB, 1.0)
    silence.hinted(("service", "db"), 3.0)
    silence.forget(before=2.0)

    assert list(silence._hinted) == [("service", "db")]
