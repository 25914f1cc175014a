"""What cannot be done: it becomes a dead letter, and a result where somebody can wait for one. I/O: the store.

All raise Unavailable while NATS is away; a repeated try is harmless.
"""

from datetime import UTC, datetime

from funswarm.messages import Code
from services.scheduler.lanes import Item
from services.scheduler.ports import Delivery, Store
from services.scheduler.reading import Malformed, dead_letter, refused


async def bury_malformed(store: Store, delivery: Delivery, what: Malformed, *, is_first: bool) -> None:
    """`is_first`: there is no command of its id in hand, which is to have the result."""
    now = datetime.now(UTC)
    letter = dead_letter(delivery, code=what.code, reason=what.reason, now=now)
    await store.bury(letter, what.verb, what.target, delivery.sequence)
    result = refused(what, delivery.accepted_at, now)
    if result is not None and is_first and await store.find(result.command_id) is None:
        await store.store(result)


async def bury_faulty(store: Store, item: Item, reason: str) -> None:
    """A command that we fail at, for people to look at; its result is another's to tell."""
    letter = dead_letter(item.delivery, code=Code.INTERNAL, reason=reason, now=datetime.now(UTC))
    await store.bury(letter, item.command.verb, item.command.target, item.delivery.sequence)
