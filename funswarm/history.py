"""What was asked of the Swarm: the commands that wait, from COMMANDS, then those that ended, from AUDIT. I/O by `Link`.

NATS filters by what the subjects have (status, verb, target); the rest is looked at here, so much of it at a time.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from funswarm.backwards import Found, read_back
from funswarm.errors import InvalidRequest
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER
from funswarm.records import CommandPage, CommandRecord, RecordStatus, pending
from funswarm.subjects import Subjects

LIMIT_MAX: Final = 1000
LOOKED_AT_MAX: Final = 5000  # records for one page
_PENDING_MARK: Final = "p"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which commands; None: not asked. Of what the api denied only where `status` says so. `shown`: only these."""

    target: str | None = None
    verb: str | None = None
    status: RecordStatus | None = None
    requested_by: str | None = None
    since: datetime | None = None
    shown: Callable[[CommandRecord], bool] | None = None

    @classmethod
    def of(
        cls,
        target: str | None,
        verb: str | None,
        status: str | None,
        requested_by: str | None,
        since: int | datetime | None,
    ) -> "Wanted":
        """
        Raises:
            InvalidRequest: one of them cannot be meant.
        """
        if isinstance(since, int):
            raise InvalidRequest(f"since {since}: give a time, or how long ago, as 10m")
        if verb == "" or target == "":
            raise InvalidRequest("verb and target: leave out what is not to be asked")
        try:
            return cls(target, verb, None if status is None else RecordStatus(status), requested_by, since)
        except ValueError as error:
            raise InvalidRequest(f"status {status!r}: one of {', '.join(RecordStatus)}") from error

    def takes(self, record: CommandRecord) -> bool:
        """As far as NATS does not see to it."""
        return (record.status is not RecordStatus.DENIED or self.status is RecordStatus.DENIED) and (
            self.requested_by in (None, record.requested_by) and (self.shown is None or self.shown(record))
        )


async def read_commands(link: Link, subjects: Subjects, wanted: Wanted, limit: int, after: str | None) -> CommandPage:
    """One page, newest first: what waits, then what ended.

    Raises:
        InvalidRequest: `limit` or `after` cannot be meant.
        Unavailable: NATS or the streams are not there.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidRequest(f"limit {limit}: 1 to {LIMIT_MAX}")
    items: dict[str, CommandRecord] = {}
    looked_at = 0
    async with aclosing(_all(link, subjects, wanted, after)) as everything:
        async for place, time, record in everything:
            if len(items) == limit or looked_at == LOOKED_AT_MAX:
                return CommandPage(items=tuple(items.values()), next=place)
            looked_at += 1
            if wanted.since is not None and time < wanted.since:
                continue
            if record is not None and wanted.takes(record):
                items.setdefault(record.command_id or place, record)
    return CommandPage(items=tuple(items.values()))


async def find_waiting(link: Link, subjects: Subjects, command_id: str) -> CommandRecord | None:
    """The command, where it is kept and not done yet, as far as the newest `LOOKED_AT_MAX` tell.

    Raises:
        Unavailable: NATS or the streams are not there.
    """
    looked_at = 0
    async with aclosing(read_back(link, subjects.commands_stream, subjects.all_commands)) as commands:
        async for kept in commands:
            looked_at += 1
            if kept.headers.get(MSG_ID_HEADER) == command_id:
                return pending(kept.body, kept.time)
            if looked_at == LOOKED_AT_MAX:
                break
    return None


async def _all(
    link: Link, subjects: Subjects, wanted: Wanted, after: str | None
) -> AsyncGenerator[tuple[str, datetime, CommandRecord | None], None]:
    """(where one goes on to have it, its time, the record)."""
    waits, sequence = _place(after)
    if waits and wanted.status in (None, RecordStatus.PENDING):
        subject = subjects.commands_of(wanted.verb, wanted.target)
        async with aclosing(read_back(link, subjects.commands_stream, subject, sequence)) as commands:
            async for kept in commands:
                yield f"{_PENDING_MARK}{kept.sequence + 1}", kept.time, pending(kept.body, kept.time)
    if wanted.status is RecordStatus.PENDING:
        return
    status = None if wanted.status is None else wanted.status.value
    subject = subjects.audited(status, wanted.verb, wanted.target)
    async with aclosing(read_back(link, subjects.audit_stream, subject, None if waits else sequence)) as records:
        async for kept in records:
            if wanted.since is not None and kept.time < wanted.since:
                return  # all that follow are older
            yield str(kept.sequence + 1), kept.time, _record(kept)


def _record(kept: Found) -> CommandRecord | None:
    try:
        return CommandRecord.model_validate_json(kept.body)
    except ValidationError:  # of another version
        return None


def _place(after: str | None) -> tuple[bool, int | None]:
    """Whether what waits is still to come, and before which sequence to go on."""
    if after is None:
        return True, None
    number = after.removeprefix(_PENDING_MARK)
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        raise InvalidRequest(f"after {after!r}: give the `next` of a page")
    return after.startswith(_PENDING_MARK), int(number)
