"""One notification over HTTP: sent once, and judged. I/O: httpx.

As docker-flow-swarm-listener: no body, redirects are followed; a creation is delivered with 200 or 409 (so answers
Docker Flow Proxy for a service without a route), a removal with 200.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

import httpx

from services.notifier.cookies import no_cookies
from services.notifier.docker_flow.news import with_query
from services.notifier.docker_flow.settings import Call, DockerFlowSettings
from services.notifier.docker_flow.told import Verb

DELIVERED: Final[dict[Verb, frozenset[int]]] = {"create": frozenset({200, 409}), "remove": frozenset({200})}
URL_MAX: Final = 60_000
ANSWER_BYTES_MAX: Final = 500  # of a failure's answer, in its reason


class Sender:
    """Connections to all receivers; `close` it."""

    def __init__(self, settings: DockerFlowSettings) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)  # the lanes bound them by receiver
        timeout = httpx.Timeout(None, connect=settings.connect_timeout_s)  # the whole is bounded by `send`
        self._timeout_s = settings.timeout_s
        self._client = httpx.AsyncClient(limits=limits, timeout=timeout, follow_redirects=True, cookies=no_cookies())

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, verb: Verb, call: Call, query: str) -> str | None:
        """Why it is not delivered; None: it is."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(verb, call.method, with_query(call.url, query))
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    async def _send(self, verb: Verb, method: str, url: str) -> str | None:
        path, _, query = url.partition("?")
        # httpx takes URLs of 64 KiB at most, and addresses of many tasks are longer.
        target = {"target": f"{urlsplit(path).path or '/'}?{query}".encode()} if len(url) > URL_MAX else {}
        async with self._client.stream(method, path if target else url, extensions=target) as answer:
            if answer.status_code in DELIVERED[verb]:
                return None
            text = await anext(answer.aiter_bytes(ANSWER_BYTES_MAX), b"")
            said = text.decode(errors="replace").strip()
            return f"status {answer.status_code}" + (f": {said}" if said else "")
