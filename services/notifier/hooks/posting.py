"""Sends a request to a receiver, and reads no more of its answer than is needed. I/O by httpx.

Redirects are not followed: an event goes where its hook says. No proxy and no `.netrc` of the environment is used; who
signs for receivers is as OpenSSL is told (SSL_CERT_FILE, SSL_CERT_DIR).
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Final

import httpx

from services.notifier.cookies import no_cookies
from services.notifier.hooks.judging import Answer

CONNECT_TIMEOUT_S: Final = 5.0
READ_MAX_BYTES: Final = 4096  # of an answer's body
READ_S: Final = 0.5
SHOWN_MAX: Final = 200
KEEPALIVE_MAX: Final = 50


class Poster:
    """`allow`: patterns of hosts; empty: any. `close` it. How many connections there are is up to who posts."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allow = tuple(pattern.lower() for pattern in allow)
        self._limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=KEEPALIVE_MAX, keepalive_expiry=30.0
        )
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def why_not(self, url: str) -> str | None:
        """Why nothing is sent there, None: it is."""
        try:
            host = httpx.URL(url).host.lower()
        except (httpx.InvalidURL, ValueError) as error:  # what is no name in Punycode, too
            return f"this is no address: {error}"
        if not self._allow or any(fnmatchcase(host, pattern) for pattern in self._allow):
            return None
        return f"FUNSWARM_HOOKS_ALLOW does not allow the host {host}: {', '.join(self._allow)}"

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer:
        """One attempt; it raises nothing that a receiver can cause."""
        if why_not := self.why_not(url):
            return Answer(None, why_not, 0.0)
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                status, reason, retry_after_s = await self._post(url, headers, body, timeout_s)
        except TimeoutError:
            return Answer(None, f"no answer within {timeout_s:g} s", time.monotonic() - began)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            return Answer(None, f"cannot be reached: {said[:SHOWN_MAX]}", time.monotonic() - began)
        return Answer(status, reason, time.monotonic() - began, retry_after_s)

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> tuple[int, str | None, float | None]:
        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        client = self._client(httpx.URL(url).scheme)
        async with client.stream("POST", url, headers=headers, content=body, timeout=timeout) as response:
            said = await _said(response)
            return response.status_code, _reason(response, said), _retry_after_s(response)

    def _client(self, scheme: str) -> httpx.AsyncClient:
        """Certificates cost memory, so they are read only for who has a receiver with TLS."""
        if scheme not in self._clients:
            verify = ssl.create_default_context() if scheme == "https" else False
            self._clients[scheme] = httpx.AsyncClient(
                verify=verify,
                limits=self._limits,
                trust_env=False,
                cookies=no_cookies(),
                headers={"accept-encoding": "identity"},
            )
        return self._clients[scheme]


async def _said(response: httpx.Response) -> bytes:
    """The beginning of the answer's body; where that is all, the connection can be used again.

    The status is what counts: a body that breaks off or does not come changes nothing about it.
    """
    said = b""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(READ_S):
            async for piece in response.aiter_raw(READ_MAX_BYTES):
                said += piece
                if len(said) > READ_MAX_BYTES:
                    break
    return said


def _reason(response: httpx.Response, said: bytes) -> str | None:
    if response.is_success:
        return None
    if response.is_redirect:
        where = response.headers.get("location", "")[:SHOWN_MAX]
        return f"it answers {response.status_code}, to {where}: redirects are not followed, correct the url"
    text = " ".join(said.decode(errors="replace").split())
    shown = "".join(one if one.isprintable() else "?" for one in text[:SHOWN_MAX])
    return f"it answers {response.status_code}" + (f": {shown}" if shown else "")


def _retry_after_s(response: httpx.Response) -> float | None:
    """RFC 9110: seconds, or a date; None: neither."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
