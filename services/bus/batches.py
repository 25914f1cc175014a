"""Many messages into one stream at little cost: as one atomic batch (ADR-50 of NATS), where that fails one by one."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from funswarm.errors import Unavailable
from services.bus.jetstream import EXPECTED_STREAM, ApiError, checked, publish
from services.bus.journal import Outgoing

if TYPE_CHECKING:
    from services.bus.connection import Bus

BATCH_MAX: Final = 256  # NATS takes 1000
_FEW: Final = 12  # a batch costs NATS as much time of a processor as some 13 messages, of whatever size
_ANSWER_TIMEOUT_S: Final = 5.0


async def publish_all(bus: "Bus", messages: Sequence[Outgoing], stream: str) -> None:
    """Store at most BATCH_MAX messages, in any order; each needs a `Nats-Msg-Id`. The stream allows atomic batches.

    Raises:
        Unavailable: some may be stored and some not: publish all again.
        PermanentError: NATS refuses one.
    """
    if len(messages) > _FEW:
        try:
            await _batch(bus, messages, stream)
        except (ApiError, Unavailable):  # one of them is there already, or the answer was lost: their ids tell
            pass
        else:
            return
    await asyncio.gather(*(publish(bus.link, one.subject, one.body, one.headers, stream) for one in messages))


async def _batch(bus: "Bus", messages: Sequence[Outgoing], stream: str) -> None:
    batch_id, last = secrets.token_hex(16), len(messages)
    for number, one in enumerate(messages, 1):
        headers = {**one.headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
        if number < last:
            await bus.link.send(one.subject, one.body, headers=headers)
            continue
        headers |= {"Nats-Batch-Commit": "1", EXPECTED_STREAM: stream}
        checked((await bus.link.request(one.subject, one.body, _ANSWER_TIMEOUT_S, headers)).data)
