"""Writing the audit stream. I/O by the bus; each record of a command has a message id: repeating is harmless."""

import secrets
from collections.abc import Sequence

from funswarm.messages import MSG_ID_HEADER, Code
from funswarm.records import CommandRecord, RecordStatus, body_of, subject_of
from services.bus.batches import publish_all
from services.bus.connection import Bus
from services.bus.journal import Outgoing


async def write_records(bus: Bus, records: Sequence[CommandRecord]) -> None:
    """Make up to `batches.BATCH_MAX` records durable; what is repeated within minutes is stored once.

    Raises:
        Unavailable: some may be stored and some not: write all again.
        PermanentError: NATS refuses one.
    """
    await publish_all(bus, [_message(bus, record) for record in records], bus.subjects.audit_stream)


def _message(bus: Bus, record: CommandRecord) -> Outgoing:
    message_id = secrets.token_hex(8)
    if record.command_id is not None:  # of the refused ones one may be another command, which came with the same id
        is_conflict = (record.status, record.code) == (RecordStatus.REFUSED, Code.CONFLICT)
        message_id = f"audit-{record.command_id}" + (f"-{record.finished_at}" if is_conflict else "")
    return Outgoing(subject_of(bus.subjects, record), body_of(record), {MSG_ID_HEADER: message_id})
