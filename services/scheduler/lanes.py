"""Whose turn it is: commands for one service in the order in which they were accepted, different services apart. Pure.

A command that a rollout holds keeps its place, with two ways past it: a rollback goes first (it ends the rollout), and
one that was told `force`, or a removal, makes the waiting pointless: the held one ends as refused.
"""

import asyncio
from bisect import insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from funswarm.commands import BatchCommand, Command, RemoveCommand, RollbackCommand
from funswarm.errors import Refused
from funswarm.messages import Code, Result
from services.scheduler.ports import Delivery

PATIENCE_S: Final = 300.0  # how long a command without a deadline may wait for a rollout, or for the engine
DEADLINE_MAX_S: Final = 24 * 3600.0
LANE_MAX: Final = 100


@dataclass(slots=True)
class Item:
    """One command in hand, and what came of it so far.

    `until`: how long it may wait. `held`: why it waits for a rollout. `tries`: in vain, since the engine or NATS
    answered last. `faults`: of our own. `refusal`: why it is not even tried. `first`: another command that has its id,
    where there is one. `result`: done, and only yet to be stored, unless it `was_stored` by an earlier try.
    """

    command: Command
    delivery: Delivery
    seen: datetime
    until: datetime
    held: str | None = None
    tries: int = 0
    faults: int = 0
    refusal: Refused | None = None
    first: Command | Result | None = None
    result: Result | None = None
    was_stored: bool = False

    @property
    def sequence(self) -> int:
        return self.delivery.sequence


@dataclass(slots=True)
class Lane:
    """The commands for one service, oldest first. `stirred`: there is a reason to look at it before it is time."""

    items: list[Item] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, item: Item) -> None:
        insort(self.items, item, key=lambda one: one.sequence)
        self.stirred.set()

    @property
    def full(self) -> bool:
        return len(self.items) >= LANE_MAX

    @property
    def held(self) -> bool:
        """Whether it waits for a rollout."""
        return bool(self.items) and self.items[0].held is not None

    def turn(self) -> Item:
        """Whose turn it is; the oldest, or a rollback where the oldest is held."""
        head = self.items[0]
        if head.held is None:
            return head
        return next((item for item in self.items if isinstance(item.command, RollbackCommand)), head)

    def overtaken(self, item: Item) -> Refused | None:
        """Why the waiting of a held item is pointless, where it is."""
        for later in self.items:
            forced = getattr(later.command, "force", False) or isinstance(later.command, RemoveCommand)
            if item.held and later.sequence > item.sequence and forced:
                return Refused(
                    f"overtaken by {later.command.verb} {later.command.id!r} while {item.held}", Code.ROLLOUT
                )
        return None


def lane_of_batch(batch_id: str) -> str:
    """Each has one of its own: it takes up no service's."""
    return f"batch:{batch_id}"


def patience_ends(command: Command, seen: datetime) -> datetime:
    """Until when a command may wait: its deadline, else `PATIENCE_S` from when it was first seen here."""
    if isinstance(command, BatchCommand):  # its commands have patience of their own
        return seen + timedelta(seconds=DEADLINE_MAX_S)
    if command.deadline is None:
        return seen + timedelta(seconds=PATIENCE_S)
    return min(deadline(command), seen + timedelta(seconds=DEADLINE_MAX_S))


def deadline(command: Command) -> datetime:
    """The deadline with its time zone (UTC where none is said); the end of time where there is none."""
    given = command.deadline
    if given is None:
        return datetime.max.replace(tzinfo=UTC)
    return given if given.tzinfo else given.replace(tzinfo=UTC)
