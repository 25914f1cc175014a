"""Holds: for a while policies leave a service alone. Kept in NATS, where the scheduler reads them. I/O by `Link`."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, Field, ValidationError

from funswarm.errors import InvalidRequest
from funswarm.jetstream import API_TIMEOUT_S, publish, subjects_in
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER
from funswarm.state import Published
from funswarm.subjects import Subjects

HOLD_MAX_S: Final = 366 * 86_400.0
RELEASED_TTL: Final = "1m"
_READ_AT_ONCE: Final = 16


class Hold(Published):
    """`policy` None: all policies. `by`: who asked for it. What a policy has begun it still brings to a safe end."""

    service: str = Field(min_length=1, max_length=128)
    policy: str | None = Field(None, pattern=r"^[a-z][a-z-]{0,31}$")
    until: AwareDatetime
    reason: str | None = Field(None, max_length=500)
    by: str | None = Field(None, max_length=256)

    def stops(self, policy: str, now: datetime) -> bool:
        """Whether this policy must not begin anything now."""
        return self.policy in (None, policy) and now < self.until


class Holds:
    """Puts, lists and takes away holds."""

    def __init__(self, link: Link, subjects: Subjects) -> None:
        self._link = link
        self._subjects = subjects
        self._stream = f"KV_{subjects.policies_bucket}"

    async def put(self, hold: Hold) -> Hold:
        """Makes it durable, in the place of an earlier one of the same service and policy.

        Raises:
            InvalidRequest: it is over already, or too long.
        """
        left_s = (hold.until - datetime.now(UTC)).total_seconds()
        if not 0 < left_s <= HOLD_MAX_S:
            raise InvalidRequest(f"until: {hold.until.isoformat()} is not within a year from now")
        headers = {"Nats-TTL": f"{int(left_s) + 1}s"}
        await self._write(self._subjects.hold(hold.service, hold.policy), hold.model_dump_json().encode(), headers)
        return hold

    async def release(self, service: str, policy: str | None = None) -> tuple[Hold, ...]:
        """Ends the hold of a policy, None: all holds of the service. Those that it ended; none: there was none."""
        holds = [one for one in await self.of(service) if policy is None or one.policy == policy]
        for hold in holds:
            gone = {"KV-Operation": "DEL", "Nats-TTL": RELEASED_TTL}
            await self._write(self._subjects.hold(service, hold.policy), b"", gone)
        return tuple(holds)

    async def of(self, service: str) -> tuple[Hold, ...]:
        """The holds of one service."""
        return await self._read(self._subjects.holds_of(service))

    async def all(self) -> tuple[Hold, ...]:
        """All holds, by service."""
        return await self._read(self._subjects.all_holds)

    async def _read(self, wildcard: str) -> tuple[Hold, ...]:
        limit = asyncio.Semaphore(_READ_AT_ONCE)

        async def one(subject: str) -> Hold | None:
            async with limit:
                return understood_hold(await self._last(subject))

        subjects = await subjects_in(self._link, self._stream, wildcard)
        return current(await asyncio.gather(*(one(subject) for subject in subjects)), datetime.now(UTC))

    async def _last(self, subject: str) -> bytes | None:
        """By its subject, for which everybody may have permission; the rest of the bucket is the scheduler's."""
        answer = await self._link.request(f"$JS.API.DIRECT.GET.{self._stream}.{subject}", b"", API_TIMEOUT_S)
        return None if (answer.headers or {}).get("Status") else answer.data

    async def _write(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        await publish(self._link, self._stream, subject, body, {MSG_ID_HEADER: secrets.token_hex(16), **headers})


def hold_for(seconds: float) -> datetime:
    """The end of a hold that begins now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def understood_hold(body: bytes | None) -> Hold | None:
    """None: there is none, or it is of another version."""
    try:
        return Hold.model_validate_json(body) if body else None
    except ValidationError:
        return None


def current(holds: Sequence[Hold | None], now: datetime) -> tuple[Hold, ...]:
    """Those that are not over, by service and policy."""
    found = [hold for hold in holds if hold is not None and now < hold.until]
    return tuple(sorted(found, key=lambda hold: (hold.service, hold.policy or "")))


def plain_hold(hold: Hold) -> str:
    """One line for people."""
    who = f"{hold.policy} leaves" if hold.policy else "policies leave"
    why = f" ({hold.reason})" if hold.reason else ""
    return f"{who} {hold.service} alone until {hold.until:%Y-%m-%d %H:%M:%S %Z}{why}"
