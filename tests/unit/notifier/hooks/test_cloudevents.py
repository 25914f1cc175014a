"""An event as an HTTP request, in both forms of CloudEvents."""

import json
from datetime import UTC, datetime

from funswarm.hooks import Hook
from funswarm.signature import is_signed
from services.notifier.hooks.cloudevents import Message, request, trial

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Message(
    {
        "Nats-Msg-Id": "service/abc@7",
        "ce-specversion": "1.0",
        "ce-id": "service/abc@7",
        "ce-type": "funswarm.service.updated",
        "ce-source": "/funswarm/café 1",
        "ce-subject": "service/abc",
        "content-type": "application/json",
        "traceparent": "00-1-2-01",
    },
    b'{"name":"web"}',
)


def hook(**fields):
    return Hook(name="a", url="http://x/", **fields)


def test_structured_has_all_in_the_body():
    headers, body = request(hook(), MESSAGE, NOW)
    assert "application/cloudevents+json; charset=utf-8" == headers["content-type"]
    assert {
        "specversion": "1.0", "id": "service/abc@7", "type": "funswarm.service.updated", "source": "/funswarm/café 1",
        "subject": "service/abc", "datacontenttype": "application/json", "data": {"name": "web"},
    } == json.loads(body)  # fmt: skip


def test_binary_has_the_event_as_body_and_the_rest_in_headers():
    headers, body = request(hook(format="binary"), MESSAGE, NOW)
    assert b'{"name":"web"}' == body
    assert ("application/json", "service/abc@7") == (headers["content-type"], headers["ce-id"])


def test_headers_are_percent_encoded_as_cloudevents_wants_it():
    headers, _ = request(hook(format="binary"), MESSAGE, NOW)
    assert "/funswarm/caf%C3%A9%201" == headers["ce-source"]


def test_an_attempt_names_the_event_and_its_own_time():
    headers, _ = request(hook(), MESSAGE, NOW)
    assert ("service/abc@7", "1795435200") == (headers["webhook-id"], headers["webhook-timestamp"])


def test_the_body_as_it_is_sent_is_what_is_signed():
    headers, body = request(hook(secret=SECRET), MESSAGE, NOW)
    assert is_signed(SECRET, headers, body, now_s=NOW.timestamp())


def test_without_a_secret_nothing_is_signed():
    assert "webhook-signature" not in request(hook(), MESSAGE, NOW)[0]


def test_the_hooks_own_headers_and_the_trace_are_sent():
    headers, _ = request(hook(headers={"Authorization": "Bearer x"}), MESSAGE, NOW)
    assert ("Bearer x", "00-1-2-01") == (headers["Authorization"], headers["traceparent"])


def test_a_trial_is_an_event_of_a_type_of_its_own():
    body = json.loads(request(hook(), trial("c", hook(), NOW), NOW)[1])
    assert ("funswarm.test", {"hook": "a", "test": True}) == (body["type"], body["data"])
