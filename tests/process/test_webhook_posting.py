"""What the notifier makes of receivers that answer as they like: over a real socket."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from services.notifier.hooks.posting import READ_MAX_BYTES, Poster, _retry_after_s

TIMEOUT_S = 60.0


@asynccontextmanager
async def answering(answer, *, stays=False):
    """The URL of who sends these bytes to each request."""

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.write(answer)
        await writer.drain()
        if stays:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?token=1"
    finally:
        server.close()


@pytest.fixture
async def poster():
    poster = Poster()
    yield poster
    await poster.close()


async def test_a_2xx_is_a_success_whatever_its_body(poster):
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nsome", stays=True) as url:
        began = time.monotonic()
        assert (await poster.post(url, {}, b"{}", TIMEOUT_S)).ok
        assert time.monotonic() - began < TIMEOUT_S / 2


async def test_an_endless_answer_is_not_read_to_its_end(poster):
    body = b"x" * 100 * READ_MAX_BYTES
    async with answering(b"HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n" + body) as url:
        found = await poster.post(url, {}, b"{}", TIMEOUT_S)
        assert (500, "it answers 500: " + 200 * "x") == (found.status, found.reason)


async def test_what_it_says_is_made_printable(poster):
    async with answering(b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\na\x1b[31m\nb\xff") as url:
        assert "it answers 500: a?[31m b\ufffd" == (await poster.post(url, {}, b"{}", TIMEOUT_S)).reason


async def test_who_does_not_answer_is_given_up_in_time(poster):
    async with answering(b"HTTP/1.1 200", stays=True) as url:
        assert "no answer within 0.2 s" == (await poster.post(url, {}, b"{}", 0.2)).reason


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000])
async def test_what_is_no_http_is_said(poster, answer):
    async with answering(answer) as url:
        found = await poster.post(url, {}, b"{}", TIMEOUT_S)
        assert None is found.status
        assert (found.reason or "").startswith("cannot be reached: ")


async def test_who_is_not_there_is_said(poster):
    assert "cannot be reached" in ((await poster.post("http://127.0.0.1:1/", {}, b"{}", TIMEOUT_S)).reason or "")


async def test_a_host_without_an_address_is_said(poster):
    assert "cannot be reached" in ((await poster.post("http://absent.invalid/", {}, b"{}", 120)).reason or "")


@pytest.mark.parametrize(
    ("host", "why"), [("good.example.com", None), ("evil.test", "evil.test"), ("example.com", "example.com")]
)
async def test_only_allowed_hosts_are_asked(host, why):
    found = Poster(("*.Example.com",)).why_not(f"http://{host}:80/")
    assert (why in (found or "")) if why else found is None


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("120", 120.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1" * 400, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, expected_s):
    import httpx

    assert expected_s == _retry_after_s(httpx.Response(503, headers={"retry-after": text}))
