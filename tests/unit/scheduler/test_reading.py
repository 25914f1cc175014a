"""Deliveries as commands, and what becomes of those that are none."""

import base64
import json
from datetime import UTC, datetime

import pytest

from funswarm.commands import COMMAND_BYTES_MAX
from funswarm.messages import MSG_ID_HEADER, Code
from services.scheduler.reading import Malformed, dead_letter, read, refused
from tests.unit.scheduler.fakes import SUBJECTS, FakeDelivery, command

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCALE = SUBJECTS.command("scale", "web")


def _malformed(body: bytes, subject: str = SCALE, **headers: str) -> Malformed:
    what = read(SUBJECTS, subject, headers, body)
    assert isinstance(what, Malformed)
    return what


def test_a_command_is_read():
    asked = command("scale", replicas=3)
    assert asked == read(SUBJECTS, SCALE, {}, asked.model_dump_json().encode())


def test_json_in_an_encoding_that_only_python_reads_is_read():
    asked = command("scale", replicas=3)
    assert asked == read(SUBJECTS, SCALE, {}, asked.model_dump_json().encode("utf-16"))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_malformed(body):
    assert Code.MALFORMED == _malformed(body).code


def test_a_body_that_is_too_long_is_malformed():
    assert "bytes are too many" in _malformed(b" " * (COMMAND_BYTES_MAX + 1)).reason


def test_a_wrong_field_is_named():
    body = b'{"id": "c1", "verb": "create", "target": "web", "service": {"name": "web", "image": "x", "prots": [1]}}'
    assert (
        "create.service.prots: unknown field, did you mean ports?"
        == _malformed(body, SUBJECTS.command("create", "web")).reason
    )


def test_the_id_is_taken_from_a_body_that_is_wrong():
    assert "c1" == _malformed(b'{"id": "c1"}').command_id


def test_the_id_is_taken_from_the_header_where_the_body_has_none():
    assert "c9" == read(SUBJECTS, SCALE, {MSG_ID_HEADER: "c9"}, b"{").command_id  # type: ignore[union-attr]


def test_an_id_that_cannot_be_one_answers_nobody():
    what = _malformed(json.dumps({"id": "not an id"}).encode())
    assert refused(what, NOW, NOW) is None


@pytest.mark.parametrize("asked", [command("scale", target="other", replicas=1), command("remove")])
def test_a_body_that_disagrees_with_its_subject_is_refused(asked):
    what = _malformed(asked.model_dump_json().encode())
    assert (Code.INVALID, True) == (what.code, "must agree" in what.reason)


def test_the_target_of_a_dead_letter_is_the_subjects():
    assert "a.b" == _malformed(b"{", SUBJECTS.command("scale", "a.b")).target


def test_a_dead_letter_keeps_the_original():
    letter = dead_letter(FakeDelivery(1, SCALE, b'{"x":', {"a": "b"}), code=Code.MALFORMED, reason="r", now=NOW)
    assert ('{"x":', "utf-8", {"a": "b"}) == (letter.body, letter.encoding, letter.headers)


@pytest.mark.parametrize("body", [b"\xff\x00", b"\x00" * COMMAND_BYTES_MAX])
def test_a_dead_letter_of_bytes_is_base64(body):
    letter = dead_letter(FakeDelivery(1, SCALE, body), code=Code.MALFORMED, reason="r", now=NOW)
    assert body == base64.b64decode(letter.body)


@pytest.mark.parametrize("body", [b"x" * 2_000_000, b"\x01" * 2_000_000, b'"' * 2_000_000])
def test_a_dead_letter_is_never_longer_than_nats_takes(body):
    headers = {str(number): "h" * 9999 for number in range(99)}
    letter = dead_letter(FakeDelivery(1, SCALE, body, headers), code=Code.MALFORMED, reason="r", now=NOW)
    assert len(letter.model_dump_json()) < 1_000_000
