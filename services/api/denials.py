"""Requests to change something that were denied, for the audit stream. I/O: the bus, beside the requests.

At most so many a second: who tries again and again must not push out what others did. The rest is counted.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.types import Scope

from funswarm.errors import PermanentError, TemporaryError
from funswarm.messages import Code
from funswarm.records import CommandRecord, denied
from services.api.access import Denied
from services.bus.audit import write_records
from services.bus.connection import Bus

AT_ONCE_MAX: Final = 10
INTERVAL_S: Final = 1.0
PATH_MAX: Final = 256
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CREATES_BY_GET: Final = "/create"

_log = structlog.get_logger()


class Denials:
    """`add` what was denied; `run` writes it, once a second."""

    def __init__(self) -> None:
        self._waiting: list[CommandRecord] = []
        self._left_out = 0

    def add(self, scope: Scope, what: Denied) -> None:
        """To be written, unless it only reads, or too much waits already."""
        method, path = scope["method"], scope["path"]
        if method in _READS and path != _CREATES_BY_GET:
            return
        if len(self._waiting) >= AT_ONCE_MAX:
            self._left_out += 1
            return
        more = f"; {self._left_out} more were denied just before" if self._left_out else ""
        address = (scope.get("client") or ("an unknown address",))[0]
        code, reason = Code.FORBIDDEN, f"{what.status} from {address}: {what.detail}{more}"
        self._left_out = 0
        self._waiting.append(
            denied(method[:PATH_MAX], path[:PATH_MAX], what.who, code=code, reason=reason, now=datetime.now(UTC))
        )

    async def run(self, bus: Bus) -> None:
        """For as long as the bus lives; what could not be written waits for the next one."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            batch = list(self._waiting)
            try:
                if batch:
                    await write_records(bus, batch)
            except TemporaryError:
                continue
            except PermanentError as error:
                _log.error("what was denied cannot be recorded", reason=str(error))
            del self._waiting[: len(batch)]
