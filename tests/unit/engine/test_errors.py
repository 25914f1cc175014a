"""What each refusal of the engine means to who asked."""

import json

import pytest

from funswarm.errors import Failed, Refused, Unavailable, UnknownObject, VersionConflict
from funswarm.messages import Code
from services.engine.errors import engine_error, engine_text, is_other_api_version

CASES = [
    (500, "rpc error: code = Unknown desc = update out of sequence", VersionConflict),
    (404, "service web not found", UnknownObject),
    (409, "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web", Refused),
    (409, "network is in use by task", Failed),
    (400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component", Failed),
    (500, "something broke", Failed),
    (501, "renaming services is not supported", Failed),
    (503, 'This node is not a swarm manager. Use "docker swarm init" to be one.', Unavailable),
    (503, "This node is already part of a swarm.", Failed),
    (500, "rpc error: code = Unknown desc = The swarm does not have a leader.", Unavailable),
    (500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", Unavailable),
    (500, "rpc error: code = Unavailable desc = connection error: desc = transport is closing", Unavailable),
    (502, "Bad Gateway", Unavailable),
    (429, "too many requests", Unavailable),
    (400, "client version 1.41 is too old. Minimum supported API version is 1.44", Unavailable),
    (403, "<h1>403 Forbidden</h1>", Failed),
]


@pytest.mark.parametrize(("status", "text", "expected"), CASES)
def test_a_refusal_is_told_by_its_text_and_status(status, text, expected):
    assert expected is type(engine_error(status, json.dumps({"message": text}).encode(), "ask"))


@pytest.mark.parametrize(("status", "text", "_"), CASES)
def test_the_engines_own_text_and_what_was_asked_are_in_the_error(status, text, _):
    assert f"update service x: the engine says: {text}" == str(engine_error(status, text.encode(), "update service x"))


def test_a_taken_name_says_so_to_programs():
    error = engine_error(409, b"name conflicts with an existing object", "create")
    assert Code.NAME_TAKEN is error.code


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message":"no"}', "no"),
        (b"plain", "plain"),
        (b"", "no text"),
        (b"[]", "[]"),
        (b'{"message":1}', '{"message":1}'),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_text_is_found_in_whatever_body(body, expected):
    assert expected == engine_text(body)


def test_an_endless_text_is_cut():
    assert 2000 == len(engine_text(b"x" * 100_000))


def test_another_api_version_is_noticed():
    assert is_other_api_version("client version 1.52 is too new. Maximum supported API version is 1.41")
