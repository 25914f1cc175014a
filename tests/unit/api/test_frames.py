"""Items of the feed as bytes."""

import json

from funswarm.changes import Changed, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from services.api.frames import ndjson, ndjson_alive, ndjson_failed, sse, sse_alive, sse_failed
from tests.builders import a_service

CHANGE = Changed(8, "service", "updated", b'{"id":"x"}')


def test_a_change_is_an_event_with_its_sequence_as_id():
    assert b'id: 8\nevent: change\ndata: {"id":"x"}\n\n' == sse(CHANGE)


def test_the_end_of_a_snapshot_can_be_resumed_after():
    assert b"id: 7\nevent: snapshot-end\ndata: {}\n\n" == sse(SnapshotEnd(7))


def test_within_a_snapshot_there_is_nothing_to_resume_after():
    assert b"id:\nevent: snapshot-begin\ndata: {}\n\n" == sse(SnapshotBegin())
    assert b"id:\nevent: relisted" == sse(Relisted("gone"))[:19]
    assert b"event: state" == sse(Snapshotted(a_service()))[:12]


def test_keep_alives_move_the_place_on():
    assert b": alive\nid: 9\n\n" == sse_alive(9)
    assert b": alive\n\n" == sse_alive(None)
    assert {"type": "alive", "sequence": 9} == json.loads(ndjson_alive(9))
    assert {"type": "alive"} == json.loads(ndjson_alive(None))


def test_a_line_is_one_line_of_json():
    line = ndjson(Snapshotted(a_service("web")))

    assert 1 == line.count(b"\n")
    assert ("state", "web") == (json.loads(line)["type"], json.loads(line)["data"]["name"])


def test_a_change_is_a_line_with_its_sequence():
    assert {"type": "change", "sequence": 8, "data": {"id": "x"}} == json.loads(ndjson(CHANGE))


def test_the_end_says_why():
    assert b'event: failed\ndata: {"reason": "x"}\n\n' == sse_failed("x")
    assert {"type": "failed", "data": {"reason": "x"}} == json.loads(ndjson_failed("x"))
