"""Webhooks: what one may say, which events fit it, and what is shown of it."""

import pytest
from pydantic import ValidationError

from funswarm.hooks import HIDDEN, Hook
from funswarm.subjects import Subjects

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def hook(**fields):
    return Hook.model_validate({"name": "a", "url": "https://example.com/x"} | fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://x/"}, "an address is needed"),
        ({"url": "http:///x"}, "an address is needed"),
        ({"url": "http://ex ample/"}, "an address is needed"),
        ({"url": "http://me:secret@x/"}, "no user and password in the address"),
        ({"url": "http://x:99999/"}, "[Pp]ort"),
        ({"kinds": ["servis"]}, "choose from service, task"),
        ({"actions": ["Created!"]}, "no action"),
        ({"names": [""]}, "leave it out"),
        ({"labels": ["=x"]}, "leave it out"),
        ({"secret": "hunter2"}, "whsec_"),
        ({"headers": {"Host": "x"}}, "sends this one itself"),
        ({"headers": {"webhook-id": "x"}}, "sends this one itself"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "no header that can be sent"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"timeout_s": True}, "no duration"),
        ({"paused": 0}, "valid boolean"),
        ({"timeout_s": "2m"}, "less than or equal to 60"),
        ({"retry": {"first_s": 0}}, "at least 0.1"),
        ({"name": "A.b"}, "pattern"),
        ({"metod": "GET"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(fields, words):
    with pytest.raises(ValidationError, match=words):
        hook(**fields)


def test_without_filters_all_fits():
    assert hook().takes("task", "failed", "web")
    assert hook().takes_labels({})


@pytest.mark.parametrize(
    ("fields", "event", "fits"),
    [
        ({"kinds": ["service"]}, ("service", "created", "web"), True),
        ({"kinds": ["service"]}, ("task", "created", "web"), False),
        ({"actions": ["stalled", "removed"]}, ("service", "removed", "web"), True),
        ({"actions": ["stalled"]}, ("service", "removed", "web"), False),
        ({"names": ["shop_*"]}, ("service", "created", "shop_web"), True),
        ({"names": ["shop_*", "web"]}, ("service", "created", "web"), True),
        ({"names": ["shop_*"]}, ("service", "created", "web"), False),
        ({"names": ["Web"]}, ("service", "created", "web"), False),
        ({"kinds": ["service"], "names": ["web"]}, ("node", "created", "web"), False),
    ],
)
def test_of_several_filters_all_must_fit(fields, event, fits):
    assert fits == hook(**fields).takes(*event)


@pytest.mark.parametrize(
    ("wanted", "labels", "fits"),
    [
        (["team"], {"team": "a"}, True),
        (["team=a"], {"team": "a"}, True),
        (["team=b"], {"team": "a"}, False),
        (["team", "tier"], {"team": "a"}, False),
        (["empty="], {"empty": ""}, True),
        (["url=a=b"], {"url": "a=b"}, True),
        (["team"], {}, False),
    ],
)
def test_labels_fit_by_key_or_by_key_and_value(wanted, labels, fits):
    assert fits == hook(labels=wanted).takes_labels(labels)


def test_kinds_and_actions_become_filters_of_nats():
    found = hook(kinds=["task", "service"], actions=["removed"]).filters(Subjects())
    assert ["funswarm.event.service.removed.>", "funswarm.event.task.removed.>"] == found


def test_no_filters_are_one_for_all():
    assert ["funswarm.event.*.*.>"] == hook().filters(Subjects())


def test_too_many_filters_are_one_for_all():
    actions = [f"a{'b' * number}" for number in range(20)]
    assert ["funswarm.event.>"] == hook(
        kinds=["service", "task", "node", "engine", "config", "secret"], actions=actions
    ).filters(Subjects())


def test_what_is_secret_is_hidden():
    shown = hook(secret=SECRET, headers={"Authorization": "Bearer x"}).shown()
    assert (HIDDEN, {"Authorization": HIDDEN}) == (shown.secret, shown.headers)


def test_what_is_secret_is_not_in_its_words():
    assert "Bearer" not in repr(hook(secret=SECRET, headers={"Authorization": "Bearer x"}))


def test_what_is_shown_can_be_put_again():
    before = hook(secret=SECRET, headers={"Authorization": "Bearer x"})
    assert before == before.shown().completed(before)


@pytest.mark.parametrize("fields", [{"secret": HIDDEN}, {"headers": {"X-A": HIDDEN}}])
def test_a_hidden_secret_that_was_never_there_is_refused(fields):
    with pytest.raises(ValueError, match="there is none"):
        hook(**fields).completed(hook())
