"""What policies need besides the feed of services: the holds that people put, and the feed of tasks. I/O: bus, SDK."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from funswarm.changes import Changes
from funswarm.errors import TemporaryError
from funswarm.holds import Hold, understood_hold
from services.bus.policies import PolicyBucket
from services.scheduler.metrics import Metrics
from services.scheduler.policies.world import Known

HOLDS_INTERVAL_S: Final = 30.0
STORED_S: Final = 0.1  # a hold is heard of before it is stored
TASKS_IDLE_S: Final = 2.0  # how often it is looked whether more tasks are needed

log = structlog.get_logger(__name__)

Touch = Callable[[set[str]], None]


class HoldBook:
    """The holds there are; read again when somebody writes one, and now and then."""

    def __init__(self, bucket: PolicyBucket, metrics: Metrics) -> None:
        self._bucket = bucket
        self._metrics = metrics
        self._holds: dict[str, tuple[Hold, ...]] = {}
        self._heard = asyncio.Event()

    def of(self, service: str) -> tuple[Hold, ...]:
        """Those of a service, by its name; some may be over."""
        return self._holds.get(service, ())

    async def changed(self, service: str, policy: str) -> bool:
        """Whether there are other holds than this copy knows: then decide again. One that was acknowledged holds.

        Raises:
            TemporaryError: NATS is away.
        """
        known = [one for one in self.of(service) if one.policy in (None, policy)]
        found = [hold for body in await self._bucket.holds_on(service, policy) if (hold := understood_hold(body))]
        if {*known} == {*found}:
            return False
        others = [one for one in self.of(service) if one.policy not in (None, policy)]
        self._holds = {**self._holds, service: (*others, *found)}
        return True

    async def run(self, touch: Touch) -> None:
        """Until cancelled. `touch`: given the names of services whose holds are others now."""
        stop = await self._bucket.listen(self._heard.set)
        try:
            while True:
                self._heard.clear()
                try:
                    await self.read(touch)
                except TemporaryError as error:
                    log.warning("holds are read later", reason=str(error))
                try:
                    async with asyncio.timeout(HOLDS_INTERVAL_S):
                        await self._heard.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(STORED_S)
        finally:
            await stop()

    async def read(self, touch: Touch) -> None:
        """Read all of them.

        Raises:
            TemporaryError: NATS is away.
        """
        before, found = self._holds, dict[str, tuple[Hold, ...]]()
        for body in await self._bucket.holds():
            if (hold := understood_hold(body)) is not None:
                found[hold.service] = (*found.get(hold.service, ()), hold)
        self._holds = found
        self._metrics.holds.set(sum(map(len, found.values())))
        touch({name for name in {*before, *found} if before.get(name) != found.get(name)})


async def follow_tasks(world: Known, feed: Callable[[bool], Changes], touch: Touch) -> None:
    """Until cancelled: the nodes, and where a policy needs them the tasks of the services that it follows."""
    while True:
        needed = world.need_tasks()
        if world.complete:
            try:
                await _follow(world, feed(bool(needed)), needed, touch)
                continue  # with those of others; what is known is still so
            except TemporaryError as error:
                log.warning("does not follow the feed of tasks", reason=str(error))
            world.tasks_complete = False
        await asyncio.sleep(TASKS_IDLE_S)


async def _follow(world: Known, changes: Changes, needed: frozenset[str], touch: Touch) -> None:
    """Until the tasks of others are needed, too, or of none any more, or of some again."""
    async with aclosing(changes) as feed:
        look_at = time.monotonic() + TASKS_IDLE_S
        while True:
            item = await feed.next(TASKS_IDLE_S)
            if item is not None:
                touch(world.take_tasks(item, needed))
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + TASKS_IDLE_S
                now = world.need_tasks()
                if bool(now) != bool(needed) or not now <= needed:
                    return
