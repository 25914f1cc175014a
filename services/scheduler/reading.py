"""Deliveries as commands, and how they end as results and dead letters. Pure.

The subject is what NATS's permissions are granted for, so a body that says another verb or target is refused.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from funswarm.commands import COMMAND_BYTES_MAX, COMMAND_ID, COMMANDS, VERBS, Command, CreateCommand
from funswarm.errors import FunswarmError, InvalidRequest, Refused, UnknownObject
from funswarm.explain import explain
from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter, Result, ResultStatus
from funswarm.records import CommandRecord, RecordStatus
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.subjects import Subjects, untoken
from services.scheduler.convergence import first_convergence
from services.scheduler.ports import Delivery
from services.scheduler.redacting import without_secrets
from services.scheduler.safe_write import Outcome, identity

REASON_MAX: Final = 4000
WARNINGS_MAX: Final = 20
HEADERS_MAX: Final = 32
HEADER_MAX: Final = 1000
LETTER_TEXT_MAX: Final = 800_000  # NATS takes messages of up to 1 MiB
_MODELS: Final[dict[str, type[BaseModel]]] = {"create": ServiceSpec, "update": ServicePatch}


@dataclass(frozen=True, slots=True)
class Malformed:
    """What cannot be a command. `command_id` None: no id could be read, so nobody waits for a result."""

    verb: str
    target: str
    code: Code
    reason: str
    command_id: str | None = None

    @property
    def status(self) -> ResultStatus:
        """Nothing was done, unless the fault is ours."""
        return ResultStatus.FAILED if self.code is Code.INTERNAL else ResultStatus.REFUSED


def read(subjects: Subjects, subject: str, headers: Mapping[str, str], body: bytes) -> Command | Malformed:
    """The command in a message of COMMANDS."""
    verb, target = _place(subjects, subject)
    what = read_body(verb, body)
    if isinstance(what, Malformed):
        return replace(what, target=target, command_id=what.command_id or _header_id(headers))
    if subject != subjects.command(what.verb, what.target):
        reason = f"the body is a {what.verb} of {what.target!r}, and the subject is {subject}: they must agree"
        return Malformed(verb, target, Code.INVALID, reason, what.id)
    return what


def unread(subjects: Subjects, subject: str, headers: Mapping[str, str], reason: str) -> Malformed:
    """What is not to be read, because that may end the process."""
    verb, target = _place(subjects, subject)
    return Malformed(verb, target, Code.INTERNAL, reason, _header_id(headers))


def read_body(verb: str, body: bytes) -> Command | Malformed:
    """The command in a body; `verb`: what it should be, for better reasons where it cannot be read."""
    if len(body) > COMMAND_BYTES_MAX:
        reason = f"{len(body)} bytes are too many: a command has at most {COMMAND_BYTES_MAX}"
        return Malformed(verb, "", Code.MALFORMED, reason)
    with suppress(ValidationError):
        return COMMANDS.validate_json(body)
    try:  # anew, to say what is wrong with it
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Malformed(verb, "", Code.MALFORMED, f"the body is no JSON: {error}"[:REASON_MAX])
    try:
        return COMMANDS.validate_python(raw)
    except ValidationError as error:
        return Malformed(verb, "", Code.INVALID, explain(error, _MODELS.get(verb))[:REASON_MAX], _own_id(raw))


def succeeded(command: Command, outcome: Outcome, accepted_at: datetime, now: datetime) -> Result:
    """The result of what was done, or with `dry_run` would be."""
    service_id, service_name, node_id, version = identity(outcome)
    warnings = (outcome.held,) if outcome.held and command.dry_run else ()
    return Result(
        command_id=command.id,
        verb=command.verb,
        target=command.target,
        status=ResultStatus.SUCCEEDED,
        service_id=outcome.created_id or service_id,
        service_name=service_name or (command.service.name if isinstance(command, CreateCommand) else None),
        node_id=node_id,
        version=version,
        written_from=outcome.written_from,
        changed=outcome.changed,
        warnings=tuple(text[:REASON_MAX] for text in (*outcome.warnings, *warnings)[:WARNINGS_MAX]),
        plan=outcome.changes,
        preview=outcome.preview,
        convergence=first_convergence(command, changed=outcome.changed, now=now),
        digest=command.digest,
        requested_by=command.requested_by,
        accepted_at=accepted_at,
        finished_at=now,
    )


def ended(command: Command, error: FunswarmError, accepted_at: datetime, now: datetime) -> Result:
    """The result of what was not done: refused where nothing can have changed, else failed."""
    refused = isinstance(error, Refused | InvalidRequest | UnknownObject)
    return Result(
        command_id=command.id,
        verb=command.verb,
        target=command.target,
        status=ResultStatus.REFUSED if refused else ResultStatus.FAILED,
        code=error.code,
        reason=str(error)[:REASON_MAX],
        digest=command.digest,
        requested_by=command.requested_by,
        accepted_at=accepted_at,
        finished_at=now,
    )


def refused(what: Malformed, accepted_at: datetime, now: datetime) -> Result | None:
    """The result of what cannot be a command; None where nobody can wait for it."""
    if what.command_id is None:
        return None
    return Result(
        command_id=what.command_id,
        verb=what.verb,
        target=what.target,
        status=what.status,
        code=what.code,
        reason=what.reason,
        accepted_at=accepted_at,
        finished_at=now,
    )


def record_of_malformed(what: Malformed, accepted_at: datetime, now: datetime) -> CommandRecord:
    """The record of what cannot be a command."""
    return CommandRecord(
        command_id=what.command_id,
        verb=what.verb,
        target=what.target,
        status=RecordStatus(what.status.value),
        code=what.code,
        reason=what.reason,
        accepted_at=accepted_at,
        finished_at=now,
    )


def dead_letter(delivery: Delivery, *, code: Code, reason: str, now: datetime) -> DeadLetter:
    """The record of a message that could not be done, without secrets and small enough for NATS: else its beginning."""
    shown = without_secrets(delivery.body[:COMMAND_BYTES_MAX])
    redacted, kept = not delivery.body.startswith(shown), shown[:COMMAND_BYTES_MAX]
    few = {key: value[:HEADER_MAX] for key, value in list(delivery.headers.items())[:HEADERS_MAX]}
    letter = DeadLetter(
        reason=reason, code=code, subject=delivery.subject, headers=few, body="", redacted=redacted, at=now
    )
    try:
        text = kept.decode()
    except UnicodeDecodeError:
        text = ""
    if kept and (not text or len(json.dumps(text)) > LETTER_TEXT_MAX):  # control characters grow sixfold in JSON
        return letter.model_copy(update={"body": base64.b64encode(kept).decode(), "encoding": "base64"})
    return letter.model_copy(update={"body": text})


def _place(subjects: Subjects, subject: str) -> tuple[str, str]:
    """(verb, target) of a subject of the stream; what is not there is empty, an unknown verb too."""
    verb, _, target = subject.removeprefix(subjects.all_commands.removesuffix(">")).partition(".")
    return (verb if verb in VERBS else "unknown"), untoken(target)


def _header_id(headers: Mapping[str, str]) -> str | None:
    header = headers.get(MSG_ID_HEADER, "")
    return header if COMMAND_ID.fullmatch(header) else None


def _own_id(raw: Any) -> str | None:
    own = raw.get("id") if isinstance(raw, dict) else None
    return own if isinstance(own, str) and COMMAND_ID.fullmatch(own) else None
