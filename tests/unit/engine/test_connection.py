"""How long an answer of the engine is waited for."""

from typing import Any

from services.engine.connection import CONNECT_TIMEOUT_S, Request, Session


class FakePool:
    def urlopen(self, *_, timeout, **__):
        self.timeout = timeout


def test_a_silence_lasts_as_long_as_the_request_allows_and_only_connecting_is_bounded_shorter():
    pool: Any = FakePool()
    client: Any = None
    Session(client, pool).send(Request("read the engine's events", "GET", "/events", 600.0))
    asked = pool.timeout.clone()
    asked.start_connect()
    assert (CONNECT_TIMEOUT_S, 600.0) == (asked.connect_timeout, asked.read_timeout)
