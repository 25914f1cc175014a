"""Secrets are taken out of what a dead letter keeps."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from funswarm.messages import Code
from services.scheduler.reading import dead_letter
from services.scheduler.redacting import without_secrets
from tests.unit.scheduler.fakes import FakeDelivery

SECRET = "canary"
SERVICE = {
    "name": "web",
    "image": "nginx",
    "args": ["serve"],
    "env": {"PASSWORD": SECRET},
    "healthcheck": {"test": ["CMD", "ask", SECRET]},
    "log": {"driver": "splunk", "options": {"splunk-token": SECRET}},
    "mounts": [{"target": "/d", "driver": "nfs", "driver_options": {"o": f"password={SECRET}"}}],
}
CREATE = {"id": "c1", "verb": "create", "target": "web", "service": SERVICE}


def redacted(message) -> Any:
    return json.loads(without_secrets(json.dumps(message).encode()))


def test_a_command_keeps_all_but_its_secrets():
    service = redacted(CREATE)["service"]
    assert {**SERVICE, **{key: service[key] for key in ("env", "healthcheck", "log", "mounts")}} == service
    assert {"PASSWORD": "[redacted]"} == service["env"]
    assert SECRET not in json.dumps(service)


def test_a_command_without_secrets_stays_as_it_is():
    body = b'{"id": "c1",  "verb": "scale", "target": "web", "replicas": 3}'
    assert body == without_secrets(body)


@pytest.mark.parametrize(
    "message",
    [
        {**CREATE, "verb": "creat"},
        {**CREATE, "service": {**SERVICE, "environment": {"PASSWORD": SECRET}}},
        {**CREATE, "service": {**SERVICE, "env": [f"PASSWORD={SECRET}"]}},
        {**CREATE, "password": SECRET},
        {"id": "c1", "verb": "scale", "target": "web", "replicas": SECRET},
        [SECRET],
        SECRET,
    ],
)
def test_of_what_is_no_command_only_what_is_known_to_be_none_stays(message):
    assert SECRET not in without_secrets(json.dumps(message).encode()).decode()


def test_what_is_no_command_still_tells_what_was_meant():
    kept = redacted({**CREATE, "prots": [80]})
    assert ("c1", "create", "web", "nginx", [80]) == (
        kept["id"], kept["verb"], kept["target"], kept["service"]["image"], kept["prots"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(CREATE)[:-1],
        '{"env": {"PASSWORD": "canary',
        '{"env": {"PASSWORD": "a\\"canary"',
        "PASSWORD=canary",
        "env:\n  PASSWORD: canary\n",
    ],
)
def test_what_is_no_json_keeps_its_names_only(body):
    kept = without_secrets(body.encode()).decode()
    assert (False, True) == (SECRET in kept, "PASSWORD" in kept)


def test_what_is_nested_too_deeply_is_no_reason_to_fail():
    assert b"canary" not in without_secrets(b"[" * 20_000 + b'"canary"' + b"]" * 20_000)


def test_bytes_that_are_no_text_stay_bytes():
    assert b"\xff\x00" == without_secrets(b"\xff\x00")


@pytest.mark.parametrize(("message", "expected"), [(CREATE, True), ({"id": "c1"}, False)])
def test_a_letter_says_whether_something_was_taken_out(message, expected):
    delivery = FakeDelivery(1, "funswarm.command.create.web", json.dumps(message).encode())
    letter = dead_letter(delivery, code=Code.INTERNAL, reason="r", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert expected is letter.redacted
