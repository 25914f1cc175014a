"""What is checked and added around every request, as plain ASGI: its Host, who asks, body size and type, other sites'
browsers, how many there are, headers, figures. Cheaper than middleware of requests and responses; streams pass through
untouched.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from funswarm.messages import Code
from services.api.access import Access
from services.api.denials import Denials
from services.api.figures import Figures
from services.api.heads import answer_head
from services.api.hosts import is_known
from services.api.problems import problem
from services.api.settings import BODY_BYTES_MAX, REQUESTS_MAX

THROWN_AWAY_BYTES_MAX: Final = 16 * BODY_BYTES_MAX
THROW_AWAY_S: Final = 5.0
SIMULATOR_HEADER: Final = "Funswarm-Simulator"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CREATES_BY_GET: Final = "/create"
_WAKES_BY_GET: Final = "/api/strategies/"  # as Sablier has it
_ALWAYS: Final = "/healthz"  # who is busy is alive


class Guard:
    """Wraps the application. `simulator`: set when it is known that the engine is one; then every answer says so.

    `hosts`: the names under which this server may be asked for; None: any. `denials`: to be written down.
    """

    def __init__(
        self,
        app: ASGIApp,
        figures: Figures,
        access: Access,
        hosts: frozenset[str] | None = None,
        *,
        simulator: bool = False,
    ) -> None:
        self.simulator = simulator
        self._app = app
        self._figures = figures
        self._access = access
        self._hosts = hosts
        self.denials = Denials()
        self._open = 0

    def trouble(self) -> str | None:
        """What is wrong here; None: nothing."""
        return self._access.trouble()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.simulator:
                    MutableHeaders(scope=message)[SIMULATOR_HEADER] = "true"
            await send(message)

        headers = Headers(scope=scope)
        refusal = (
            _crowded(scope, self._open)
            or _unknown_host(headers, self._hosts)
            or self._denied(scope, headers)
            or _refusal(scope, headers)
        )
        self._open += 1
        try:
            if refusal is not None and "expect" not in headers:  # who sends that waits with the body for our word
                await _throw_away(receive)
            if scope["method"] == "HEAD" and refusal is None and not acts_by_get(scope["path"]):
                await answer_head(self._app, scope, receive, answer)
            else:
                await (refusal or self._app)(scope, _Limited(receive), answer)
        finally:
            self._open -= 1
            route = getattr(scope.get("route"), "path", "none")
            self._figures.answered(scope["method"], route, status, time.perf_counter() - started)

    def _denied(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        denied = self._access.admit(scope, headers)
        if denied is None:
            return None
        self._figures.denied(denied.reason)
        self.denials.add(scope, denied)
        challenge = {"WWW-Authenticate": denied.challenge} if denied.challenge else None
        code = Code.FORBIDDEN if denied.status == 403 else denied.reason
        return problem(denied.status, denied.detail, code, challenge)


def acts_by_get(path: str) -> bool:
    """Whether GET has an effect there, against HTTP's custom; HEAD, which must have none, is not answered then."""
    return path == CREATES_BY_GET or path.startswith(_WAKES_BY_GET)


class _Limited:
    """A body that does not say its length is counted as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = BODY_BYTES_MAX

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                if message.get("more_body"):
                    await _throw_away(self._receive)
                raise HTTPException(413, _TOO_LARGE)
        return message


async def _throw_away(receive: Receive) -> None:
    """Read the rest of a body, within bounds: who is answered while it still sends gets a reset, and no answer."""
    left = THROWN_AWAY_BYTES_MAX
    with suppress(TimeoutError):
        async with asyncio.timeout(THROW_AWAY_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


_TOO_LARGE: Final = f"the body is larger than {BODY_BYTES_MAX} bytes: Swarm takes no larger objects"


def _crowded(scope: Scope, requests: int) -> ASGIApp | None:
    if requests < REQUESTS_MAX or scope["path"] == _ALWAYS:
        return None
    return problem(
        503, f"{requests} requests are being answered here: try again later", Code.UNAVAILABLE, {"Retry-After": "1"}
    )


def _unknown_host(headers: Headers, hosts: frozenset[str] | None) -> ASGIApp | None:
    host = headers.get("host")
    if host is None or is_known(host, hosts):  # every browser sends one
        return None
    return problem(
        403,
        f"this server is not known as {host[:200]!r}: ask for localhost, or set FUNSWARM_HTTP_HOSTS",
        "unknown-host",
    )


def _refusal(scope: Scope, headers: Headers) -> ASGIApp | None:
    method, path = scope["method"], scope["path"]
    if method in _SAFE and path != CREATES_BY_GET:
        return None
    if why := _foreign(headers):
        return problem(403, f"{why}: use a client of your own, as curl, or a page of this very address", "cross-site")
    if path == CREATES_BY_GET and "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
        return problem(403, "a prefetch creates nothing", "cross-site")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        return problem(413, _TOO_LARGE, headers={"Connection": "close"})
    has_body = length != "0" or "transfer-encoding" in headers
    if method not in _SAFE and has_body and not _is_json(headers.get("content-type", "")):
        given = headers.get("content-type") or "none"
        return problem(
            415, f"the body must be JSON, the Content-Type is {given}: send 'Content-Type: application/json'"
        )
    return None


def _foreign(headers: Headers) -> str | None:
    """Why this looks like a browser acting for another site's page; None: it does not."""
    site = headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin"):
        return f"a page of another site asks for this (Sec-Fetch-Site: {site})"
    for name in ("origin", "referer"):
        value = headers.get(name)
        if value is not None and urlsplit(value).netloc != headers.get("host"):
            return f"a page of another site asks for this ({name.title()}: {value[:200]})"
    said = any(name in headers for name in ("sec-fetch-site", "origin", "referer"))
    if not said and headers.get("user-agent", "").startswith("Mozilla/"):
        # Over plain http browsers send no Sec-Fetch-Site, and a page can keep its name back.
        return "this browser does not say which page asks for this; the link on this server's page / does"
    return None


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))
