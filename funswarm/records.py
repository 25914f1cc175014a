"""What was asked of the Swarm, by whom, when, and how it ended: the records of the audit stream and of the history.

Pure. One record a command, refused ones too, on `<p>.audit.<status>.<verb>.<target>`, with the values of environment
variables redacted as in results; the scheduler writes it beside the result. The api writes one for each request that
it denies. At least once: one that comes twice is the same, by `command_id`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import ValidationError

from funswarm.commands import COMMANDS, Command
from funswarm.messages import Change, Code, Result
from funswarm.state import Published
from funswarm.subjects import Subjects

RECORD_BYTES_MAX: Final = 64_000


class RecordStatus(StrEnum):
    """`pending`: accepted and not ended, in the history only. `denied`: the api did not let it in."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    DENIED = "denied"


class CommandRecord(Published):
    """One command, or without a `command_id` a request that was denied (`verb` and `target`: HTTP's method and path),
    or a dead letter that was dropped (`drop`, and its place).

    `changed` False: it held already, or nothing was done. `changes`: empty where there are none, or too many to keep.
    """

    command_id: str | None = None
    verb: str
    target: str
    status: RecordStatus
    code: Code | None = None
    reason: str | None = None
    requested_by: str | None = None
    accepted_at: datetime | None = None
    finished_at: datetime | None = None
    dry_run: bool = False
    changed: bool = False
    service_id: str | None = None
    node_id: str | None = None
    version: int | None = None
    changes: tuple[Change, ...] = ()


class CommandPage(Published):
    """The newest first. `next`: ask again with `after` set to it, also where there are fewer than asked for."""

    items: tuple[CommandRecord, ...]
    next: str | None = None


def record_of(result: Result, *, dry_run: bool = False) -> CommandRecord:
    """The record of a command that has ended."""
    return CommandRecord(
        command_id=result.command_id,
        verb=result.verb,
        target=result.target,
        status=RecordStatus(result.status.value),
        code=result.code,
        reason=result.reason,
        requested_by=result.requested_by,
        accepted_at=result.accepted_at,
        finished_at=result.finished_at,
        dry_run=dry_run,
        changed=result.changed,
        service_id=result.service_id,
        node_id=result.node_id,
        version=result.version,
        changes=result.plan,
    )


def denied(
    method: str, path: str, requested_by: str | None, *, code: Code, reason: str, now: datetime
) -> CommandRecord:
    """The record of a request that the api did not let in; `requested_by`: as far as it is known who it was."""
    return CommandRecord(
        verb=method,
        target=path,
        status=RecordStatus.DENIED,
        code=code,
        reason=reason,
        requested_by=requested_by,
        accepted_at=now,
        finished_at=now,
    )


def dropped(sequence: int, what: str, requested_by: str, now: datetime) -> CommandRecord:
    """The record of a dead letter that was taken away: `drop`, of its place; `what`: the command in it."""
    return CommandRecord(
        verb="drop",
        target=str(sequence),
        status=RecordStatus.SUCCEEDED,
        reason=f"the dead letter of {what}",
        requested_by=requested_by,
        accepted_at=now,
        finished_at=now,
        changed=True,
    )


def pending(body: bytes, accepted_at: datetime) -> CommandRecord | None:
    """The record of a command that waits in the queue; None where it is none."""
    try:
        command: Command = COMMANDS.validate_json(body)
    except ValidationError:
        return None
    return CommandRecord(
        command_id=command.id,
        verb=command.verb,
        target=command.target,
        status=RecordStatus.PENDING,
        requested_by=command.requested_by,
        accepted_at=accepted_at,
        dry_run=command.dry_run,
    )


def subject_of(subjects: Subjects, record: CommandRecord) -> str:
    """Where a record is published."""
    return subjects.audit(record.status.value, record.verb, record.target)


def body_of(record: CommandRecord) -> bytes:
    """As JSON, without the fields that say nothing; what would be too long without its changes: the result has them."""
    body = record.model_dump_json(exclude_defaults=True).encode()
    if len(body) > RECORD_BYTES_MAX and record.changes:
        return body_of(record.model_copy(update={"changes": ()}))
    return body
