"""What nats-py writes and reads as headers, and what we do in its place."""

import asyncio
from inspect import signature

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats import errors
from nats.aio.client import Client

from funswarm.nats_client import NatsClient, read

NAMES = st.text(st.sampled_from("aZ9-_. \t:é"), max_size=6)
VALUES = st.text(st.sampled_from("aZ 9\t\r\n\x0b:\x85\u2028é😀"), max_size=8)


class Sent:
    """What a client would send: nats-py's sending needs a connection only for the socket."""

    def __init__(self, kind):
        self._client = kind()
        self._client._flush_queue = None
        self._client._send_command = self._take
        self.bytes = b""

    async def _take(self, command, priority=False):
        self.bytes = bytes(command)

    def of(self, headers, subject="a.b"):
        try:
            asyncio.run(self._client._send_publish(subject, "reply", b"body", 4, headers))
        except errors.Error as error:
            return type(error)
        return self.bytes


@given(st.dictionaries(NAMES, VALUES, max_size=4) | st.none())
def test_what_is_sent_is_what_nats_py_sends(headers):
    assert Sent(Client).of(headers) == Sent(NatsClient).of(headers)


def test_an_empty_subject_is_refused_as_nats_py_does():
    assert errors.BadSubjectError == Sent(NatsClient).of(None, subject="")


@given(
    st.binary(max_size=40)
    | st.dictionaries(NAMES, VALUES, max_size=4).map(
        lambda some: "\r\n".join(f"{name}: {value}" for name, value in some.items()).encode()
    )
)
def test_what_is_read_is_what_nats_py_reads(raw):
    assert Client._parse_header_lines(raw) == read(raw)


@pytest.mark.parametrize(
    "raw", [b"a:1\r\nb: 2", b"a b: 1", b" a :1", b": 1", b"a", b"\xff: 1", b"a: \xff", b"a\x1cb: 1", b"\x1ca: 1"]
)
def test_odd_lines_are_read_as_nats_py_reads_them(raw):
    assert Client._parse_header_lines(raw) == read(raw)


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"NATS/1.0 503\r\n\r\n", {"Status": "503"}),
        (b"NATS/1.0 404 No Messages\r\n\r\n", {"Status": "404", "Description": "No Messages"}),
        (b"NATS/1.0 100 FlowControl Request\r\n\r\n", {"Status": "100", "Description": "FlowControl Request"}),
        (
            b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 8\r\n\r\n",
            {"Status": "100", "Description": "Idle Heartbeat", "Nats-Last-Consumer": "8"},
        ),
        (b"NATS/1.0\r\nA: 1\r\na: 2\r\nA: 3\r\nB:\r\n\r\n", {"A": "3", "a": "2", "B": ""}),
        (b"NATS/1.0\r\n\r\n", None),
    ],
)
def test_a_status_and_headers_are_read_as_nats_py_reads_them(raw, headers):
    found = [asyncio.run(kind()._process_headers(raw)) for kind in (Client, NatsClient)]
    assert [headers, headers] == found


def test_the_methods_that_are_replaced_are_nats_pys_own():
    for name in ("_parse_header_lines", "_send_publish"):
        assert [*signature(getattr(Client, name)).parameters] == [*signature(getattr(NatsClient, name)).parameters]
