"""Answering requests: as a NATS micro service (ADR-32: `nats micro ls` finds it), or plainly, by every copy.

nats-py's own micro service is not used: it handles one request at a time, tells callers its inner errors, and `stop`
drops the requests in flight.
"""

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import FunswarmError, Unavailable
from funswarm.messages import Code
from services.bus.link import Link

Handler = Callable[[bytes], Awaitable[bytes]]

ERROR_HEADER: Final = "Nats-Service-Error"
CODE_HEADER: Final = "Nats-Service-Error-Code"
AT_ONCE_MAX: Final = 256
STOP_TIMEOUT_S: Final = 8.0

_QUEUE: Final = "q"
_TYPE: Final = "io.nats.micro.v1"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Endpoint:
    name: str
    subject: str
    handler: Handler
    requests: int = 0
    errors: int = 0
    busy_ns: int = 0
    last_error: str = ""

    def info(self) -> dict[str, Any]:
        return {"name": self.name, "subject": self.subject, "queue_group": _QUEUE, "metadata": {}}

    def stats(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.subject,
            "queue_group": _QUEUE,
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": self.busy_ns,
            "average_processing_time": self.busy_ns // max(1, self.requests),
        }


class Served:
    """What answers requests until `stop`. Each request runs as a task of its own, AT_ONCE_MAX at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._subscriptions: list[Subscription] = []
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self, subject: str, handler: Handler, queue: str = "", name: str = "") -> _Endpoint:
        """Begin to answer on a subject; errors as of Link.subscribe."""
        endpoint = _Endpoint(name, subject, handler)

        async def arrived(message: Msg) -> None:
            if len(self._running) >= AT_ONCE_MAX:
                busy = Unavailable(f"busy: {AT_ONCE_MAX} requests at once: ask again")
                await self._fail(endpoint, message, str(busy), busy.code)
                return
            task = asyncio.create_task(self._answer(endpoint, message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        self._subscriptions.append(await self._link.subscribe(subject, arrived, queue))
        return endpoint

    async def stop(self) -> None:
        """Take no more requests and finish those that have arrived, within STOP_TIMEOUT_S; the rest is cancelled."""
        end = time.monotonic() + STOP_TIMEOUT_S
        subscriptions, self._subscriptions = self._subscriptions, []
        await asyncio.gather(*(self._link.drain(subscription, STOP_TIMEOUT_S) for subscription in subscriptions))
        if self._running:
            await asyncio.wait(set(self._running), timeout=max(0.0, end - time.monotonic()))
        for task in set(self._running):
            task.cancel()

    async def _answer(self, endpoint: _Endpoint, message: Msg) -> None:
        began = time.perf_counter_ns()
        try:
            await self._link.send(message.reply, await endpoint.handler(message.data))
        except FunswarmError as error:
            await self._fail(endpoint, message, str(error), error.code)
        except Exception:  # noqa: BLE001  whatever a handler does, the caller gets an answer
            _log.exception("a request on %s failed: a fault in Funswarm itself", endpoint.subject)
            await self._fail(endpoint, message, "a fault in Funswarm itself: its log has more", Code.INTERNAL)
        finally:
            endpoint.requests += 1
            endpoint.busy_ns += time.perf_counter_ns() - began

    async def _fail(self, endpoint: _Endpoint, message: Msg, text: str, code: Code) -> None:
        endpoint.errors += 1
        endpoint.last_error = text
        try:
            one_line = " ".join(text.split())
            await self._link.send(message.reply, b"", headers={ERROR_HEADER: one_line, CODE_HEADER: code.value})
        except FunswarmError as error:
            _log.warning("an answer on %s cannot be sent: %s", endpoint.subject, error)


async def serve(link: Link, service: str, endpoints: Mapping[str, Handler], version: str) -> Served:
    """Answer as one of the copies of a micro service: NATS gives each request to one of them.

    `endpoints`: a handler for each subject. The endpoints' names are their subjects with dashes for dots.

    Raises:
        Unavailable, PermanentError: as Link.subscribe; then nothing is served.
    """
    served = Served(link)
    identity = {"name": service, "id": secrets.token_hex(11), "version": version, "metadata": {}}
    started = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    try:
        made = [
            await served.listen(subject, handler, _QUEUE, re.sub(r"[^A-Za-z0-9_-]", "-", subject))
            for subject, handler in endpoints.items()
        ]

        async def ping(_: bytes) -> bytes:
            return json.dumps({"type": f"{_TYPE}.ping_response", **identity}).encode()

        async def info(_: bytes) -> bytes:
            about = {"description": "", "endpoints": [endpoint.info() for endpoint in made]}
            return json.dumps({"type": f"{_TYPE}.info_response", **identity, **about}).encode()

        async def stats(_: bytes) -> bytes:
            about = {"started": started, "endpoints": [endpoint.stats() for endpoint in made]}
            return json.dumps({"type": f"{_TYPE}.stats_response", **identity, **about}).encode()

        for verb, handler in (("PING", ping), ("INFO", info), ("STATS", stats)):
            for name in (verb, f"{verb}.{service}", f"{verb}.{service}.{identity['id']}"):
                await served.listen(f"$SRV.{name}", handler)
    except FunswarmError:
        await served.stop()
        raise
    return served
