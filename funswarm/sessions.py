"""Sessions: for how long somebody wants a service to be awake. Kept in NATS, where the scheduler reads them. I/O by
`Link`.

A session only gets longer. It is written with some time to spare, so that requests that follow shortly need no write;
a writer that was overtaken by another one reads again, so no copy of the api shortens what another one has promised.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, Field, ValidationError

from funswarm.errors import InvalidRequest, Unavailable
from funswarm.jetstream import API_TIMEOUT_S, OutOfDate, publish
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER
from funswarm.state import Published
from funswarm.subjects import Subjects

SESSION_MIN_S: Final = 1.0
SESSION_MAX_S: Final = 7 * 86_400.0
SPARE_MAX_S: Final = 60.0
_ROUNDS: Final = 8
_ROUND_S: Final = 0.05


class Session(Published):
    """A service, by its name, shall be awake until then. `since`: from when on there was one without a gap."""

    service: str = Field(min_length=1, max_length=128)
    since: AwareDatetime
    until: AwareDatetime


class Sessions:
    """Opens and reads sessions. All raise Unavailable where NATS is away, PermanentError where it refuses."""

    def __init__(self, link: Link, subjects: Subjects) -> None:
        self._link = link
        self._subjects = subjects
        self._stream = f"KV_{subjects.sessions_bucket}"

    async def open(self, service: str, lasts_s: float) -> Session:
        """See to it that it lasts at least so long from now on; what is kept.

        Raises:
            InvalidRequest: it is shorter than SESSION_MIN_S, or longer than SESSION_MAX_S.
        """
        if not SESSION_MIN_S <= lasts_s <= SESSION_MAX_S:
            raise InvalidRequest(f"a session lasts from {SESSION_MIN_S:g} s to {SESSION_MAX_S / 86_400:g} days")
        for number in range(_ROUNDS):
            now = datetime.now(UTC)
            kept, sequence = await self._last(service)
            if kept is not None and kept.until >= now + timedelta(seconds=lasts_s):
                return kept
            since = kept.since if kept is not None and kept.until > now else now
            made = Session(service=service, since=since, until=now + timedelta(seconds=lasts_s + spare_s(lasts_s)))
            try:
                await self._write(made, sequence)
            except OutOfDate:  # another copy of the api wrote; a replica may not have it yet
                await asyncio.sleep(_ROUND_S * (number + 1))
                continue
            return made
        raise Unavailable(f"the session of {service} is being written by others again and again: try again")

    async def of(self, service: str) -> Session | None:
        """The session of a service; None: there is none (any more)."""
        kept, _ = await self._last(service)
        return kept if kept is not None and kept.until > datetime.now(UTC) else None

    async def _last(self, service: str) -> tuple[Session | None, int]:
        subject = self._subjects.session(service)
        answer = await self._link.request(f"$JS.API.DIRECT.GET.{self._stream}.{subject}", b"", API_TIMEOUT_S)
        headers = answer.headers or {}
        if headers.get("Status"):
            return None, 0
        return understood_session(answer.data), int(headers.get("Nats-Sequence", "0"))

    async def _write(self, session: Session, sequence: int) -> None:
        left_s = (session.until - datetime.now(UTC)).total_seconds()
        headers = {
            MSG_ID_HEADER: secrets.token_hex(16),
            "Nats-TTL": f"{int(left_s) + 2}s",
            "Nats-Expected-Last-Subject-Sequence": str(sequence),
        }
        body = session.model_dump_json().encode()
        await publish(self._link, self._stream, self._subjects.session(session.service), body, headers)


def spare_s(lasts_s: float) -> float:
    """What is added, so that it is not written with each request: a quarter, a minute at most."""
    return min(lasts_s / 4, SPARE_MAX_S)


def understood_session(body: bytes | None) -> Session | None:
    """None: there is none, or it is of another version."""
    try:
        return Session.model_validate_json(body) if body else None
    except ValidationError:
        return None
