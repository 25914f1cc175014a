"""The children's logs, shortened."""

import json

from services.supervisor.lines import of_nats, of_service, prefixed

ENTRY = {"time": "2026-11-23T12:00:01.5Z", "level": "info", "part": "poller", "event": "took the lease"}


def test_a_json_line_is_time_and_words():
    assert of_service(json.dumps(ENTRY)) == "12:00:01 took the lease"


def test_a_level_above_info_is_said():
    assert of_service(json.dumps({**ENTRY, "level": "error"})) == "12:00:01 error: took the lease"


def test_details_follow_as_pairs():
    line = json.dumps({**ENTRY, "services": 3, "reason": "it is so"})
    assert of_service(line) == '12:00:01 took the lease services=3 reason="it is so"'


def test_a_traceback_follows_on_its_own_lines():
    assert of_service(json.dumps({**ENTRY, "exception": "Error\n  x"})) == "12:00:01 took the lease\nError\n  x"


def test_a_line_that_is_no_json_stays():
    assert of_service("Traceback (most recent call last):") == "Traceback (most recent call last):"


def test_json_that_is_no_log_stays():
    assert of_service("[1]") == "[1]"


def test_the_chatter_of_nats_is_left_out():
    assert of_nats("[7] 2026/11/23 12:00:01.123456 [INF] Server is ready") is None


def test_the_warnings_of_nats_are_shown():
    assert of_nats("[7] 2026/11/23 12:00:01.123456 [WRN] slow") == "12:00:01 warning: slow"


def test_each_line_carries_its_speaker():
    assert prefixed("api", "a\nb", colour=False) == "api       | a\napi       | b"
