"""HTTP over a unix socket on the event loop: whole answers, bounds, connections that break. On a socket of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from funswarm.errors import Failed, Unavailable
from services.engine.connection import Answer, Request, socket_path
from services.engine.local import Local
from services.engine.settings import EngineSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{  \r\n1\r\n}\r\n0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"
HANG_UP = b""
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n2\r\nb\n\r\n"
END = b"0\r\n\r\n"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}"
GET = Request("read it", "GET", "/it", 60.0)


class Peer:
    """Answers each question with the next of `answers`, and after HALF and HANG_UP hangs up."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.asked: list[bytes] = []
        self.lines = 0
        self.last: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        self.last = writer
        while self.answers:
            try:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                break
            answer = self.answers.pop(0)
            writer.write(answer)
            if answer in (HALF, HANG_UP):
                break
        writer.close()


@pytest.fixture
async def peer(tmp_path) -> AsyncIterator[Callable[..., Awaitable[tuple[Local, Peer]]]]:
    """Makes a server that gives these answers, and what asks it."""
    servers: list[asyncio.Server] = []
    locals_: list[Local] = []

    async def made(*answers: bytes, body_max_bytes: int = 100) -> tuple[Local, Peer]:
        peer, path = Peer(list(answers)), str(tmp_path / "s")
        servers.append(await asyncio.start_unix_server(peer.serve, path))
        settings = EngineSettings(f"unix://{path}", body_max_bytes=body_max_bytes)
        locals_.append(Local(path, settings))
        return locals_[-1], peer

    yield made
    for local in locals_:
        local.close()
    for server in servers:
        server.close()


async def test_an_answer_is_whole(peer):
    local, _ = await peer(OK, CHUNKED)
    assert [Answer(200, b"{}"), Answer(201, b"{  }")] == [await local.ask(GET), await local.ask(GET)]


async def test_a_connection_serves_one_question_after_the_other(peer):
    local, server = await peer(OK, OK, OK)
    for _ in range(3):
        await local.ask(GET)
    assert 1 == server.lines


async def test_questions_at_once_have_connections_of_their_own(peer):
    local, server = await peer(OK, OK, OK)
    await asyncio.gather(*(local.ask(GET) for _ in range(3)))
    assert 3 == server.lines


async def test_a_connection_that_the_engine_ends_is_not_used_again(peer):
    local, server = await peer(LAST, OK)
    await local.ask(GET)
    assert (Answer(200, b"{}"), 2) == (await local.ask(GET), server.lines)


@pytest.mark.parametrize("broken", [HALF, HANG_UP])
async def test_an_answer_that_is_cut_off_is_an_engine_that_is_away(peer, broken):
    local, _ = await peer(broken, OK)
    with pytest.raises(Unavailable, match="cut off"):
        await local.ask(GET)
    assert 200 == (await local.ask(GET)).status


async def test_what_is_no_http_is_an_engine_that_is_away(peer):
    local, _ = await peer(b"-ERR\r\n")
    with pytest.raises(Unavailable, match="does not speak HTTP"):
        await local.ask(GET)


async def test_an_answer_is_bounded_in_size(peer):
    local, _ = await peer(OK, body_max_bytes=1)
    with pytest.raises(Failed, match="larger than 1 bytes"):
        await local.ask(GET)


async def test_an_answer_is_bounded_in_time(peer):
    local, _ = await peer(b"HTTP/1.1 200 OK\r\n", OK)
    with pytest.raises(Unavailable, match="took too long"):
        await local.ask(Request("read it", "GET", "/it", 0.01))


async def test_an_engine_that_is_not_there_is_away(tmp_path):
    path = str(tmp_path / "none")
    with pytest.raises(Unavailable, match="No such file"):
        await Local(path, EngineSettings(f"unix://{path}")).ask(GET)


async def test_an_answer_to_an_earlier_question_is_not_taken_for_this_one(peer):
    local, server = await peer(OK + OK, OK)
    await local.ask(GET)
    await local.ask(GET)
    assert [] == server.answers  # each question was asked


async def test_a_body_is_sent_as_json_with_its_length(peer):
    local, server = await peer(OK)
    await local.ask(Request("write it", "POST", "/it", 60.0, {"version": "3"}, {"a": 1}))
    line, *headers = server.asked[0].decode().split("\r\n")
    assert ("POST /it?version=3 HTTP/1.1", True) == (line, "Content-Length: 8" in headers)


async def test_a_line_break_in_a_header_is_not_sent(peer):
    local, server = await peer(OK)
    with pytest.raises(ValueError, match="line break"):
        await local.ask(Request("write it", "POST", "/it", 60.0, headers={"X-A": "b\r\nX-C: d"}))
    assert [] == server.asked


async def test_after_the_end_nothing_is_asked(peer):
    local, server = await peer(OK)
    local.close()
    with pytest.raises(Unavailable, match="was closed"):
        await local.ask(GET)
    assert 0 == server.lines


@pytest.mark.parametrize(
    ("host", "path"),
    [(None, "/var/run/docker.sock"), ("unix:///a/b", "/a/b"), ("tcp://a:1", None), ("ssh://a", None), ("x", None)],
)
def test_a_unix_socket_is_known_by_its_address(host, path):
    assert path == socket_path(EngineSettings(host))


async def followed(local: Local, request: Request = GET) -> tuple[Answer, list[bytes | None]]:
    """The answer, and what came: None for that it was accepted, then its bits."""
    came: list[bytes | None] = []
    answer = await local.follow(request, lambda: came.append(None), came.append)
    return answer, came


async def test_a_streams_bits_come_once_it_is_accepted(peer):
    local, _ = await peer(STREAM + END)
    assert (Answer(200, b""), [None, b"a\n", b"b\n"]) == await followed(local)


async def test_a_refused_stream_is_an_answer(peer):
    local, _ = await peer(REFUSED)
    assert (Answer(503, b"{}"), []) == await followed(local)


async def test_a_stream_that_is_silent_is_an_engine_that_is_away(peer):
    local, _ = await peer(STREAM, OK)
    with pytest.raises(Unavailable, match="silent for too long"):
        await followed(local, Request("read it", "GET", "/it", 0.05))


async def test_a_stream_that_is_cut_off_is_an_engine_that_is_away(peer):
    local, _ = await peer(HALF)
    with pytest.raises(Unavailable, match="cut off"):
        await followed(local)


async def test_closing_ends_a_stream(peer):
    local, _ = await peer(STREAM, OK)
    with pytest.raises(Unavailable, match="closed"):
        await local.follow(GET, local.close, lambda _: None)


async def test_a_stream_that_comes_bit_by_bit_is_read_to_its_end(peer):
    local, server = await peer(STREAM, OK)
    came: list[bytes] = []

    def take(bit: bytes) -> None:
        came.append(bit)
        if bit == b"b\n":
            server.last.write(b"2\r\nc\n\r\n" + END)

    await local.follow(GET, lambda: None, take)
    assert [b"a\n", b"b\n", b"c\n"] == came
