"""Dead letters of webhooks: events that a receiver did not take, with the reason. I/O by the bus."""

import base64
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from funswarm.dead import WEBHOOK
from funswarm.errors import InvalidRequest, UnknownDeadLetter
from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter
from services.bus.answers import Unfit
from services.bus.connection import Bus
from services.bus.handouts import Handout
from services.bus.reading import stored_at
from services.notifier.hooks.cloudevents import Message
from services.notifier.hooks.keeping import Kept

_SIZE: Final = "Nats-Msg-Size"  # NATS adds it where it hands out headers only


async def write_letter(  # noqa: PLR0917
    bus: Bus, kept: Kept, handout: Handout, body: bytes, reason: str, code: Code
) -> None:
    """Make it durable; repeating this within minutes stores it once. One that is too large goes without its body.

    Raises:
        Unavailable, PermanentError: NATS does not store it.
    """
    headers = {name: value for name, value in handout.headers.items() if name != _SIZE}
    letter = DeadLetter(
        reason=reason, code=code, subject=handout.subject, headers=headers, body=body.decode(errors="replace"),
        at=datetime.now(UTC),
    )  # fmt: skip
    place = f"message {handout.sequence} of {bus.subjects.events_stream}"
    small = letter.model_copy(update={"body": "", "reason": f"{reason} (too large to be kept here: {place})"})
    message_id = f"{kept.consumer}-{handout.sequence}"
    for one in (letter, small):
        try:
            await bus.publish(
                bus.subjects.dead(WEBHOOK, kept.hook.name), one.model_dump_json().encode(), {MSG_ID_HEADER: message_id},
                bus.subjects.dead_stream,
            )  # fmt: skip
        except Unfit:
            continue
        return


async def read_letter(bus: Bus, sequence: int) -> tuple[str, Message]:
    """The hook's name, and what it was to be told.

    Raises:
        UnknownDeadLetter: there is no such letter.
        InvalidRequest: it is none of a webhook, or has no event.
    """
    stored = await stored_at(bus, bus.subjects.dead_stream, sequence)
    if stored is None:
        raise UnknownDeadLetter(f"there is no dead letter {sequence}: it was dropped, sent again, or never there")
    head = bus.subjects.dead(WEBHOOK, "x").removesuffix("x")
    try:
        letter = DeadLetter.model_validate_json(stored.body)
    except ValidationError as error:
        raise InvalidRequest(f"dead letter {sequence} is not understood: of another version?") from error
    body = base64.b64decode(letter.body) if letter.encoding == "base64" else letter.body.encode()
    if not stored.subject.startswith(head) or not body:
        raise InvalidRequest(f"dead letter {sequence} holds no event for a webhook")
    return stored.subject.removeprefix(head), Message(letter.headers, body)
