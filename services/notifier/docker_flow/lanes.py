"""Delivery: a lane for each receiver and object, so that requests about one object are in order. I/O by its ports.

A lane works while there is something to tell: it notes, sends, and notes what its receiver now knows. The newest news
count, at each try; what lies between them is not told. Lanes do not wait for each other, but for one of the
IN_FLIGHT_MAX places of their receiver.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from funswarm.errors import Unavailable
from services.notifier.docker_flow.metrics import DockerFlowMetrics
from services.notifier.docker_flow.news import News, with_query
from services.notifier.docker_flow.settings import Call, DockerFlowSettings, Receiver, without_password
from services.notifier.docker_flow.store import Place, Store
from services.notifier.docker_flow.told import Step, Told, Verb, next_step
from services.notifier.docker_flow.view import Key

IN_FLIGHT_MAX: Final = 8  # requests of one receiver at a time
STORE_RETRY_S: Final = 1.0
JITTER: Final = 0.25
URL_SHOWN_MAX: Final = 2**16  # in a dead letter

log = structlog.get_logger(__name__)


class Sending(Protocol):
    """What sends: `sender.Sender`."""

    async def send(self, verb: Verb, call: Call, query: str) -> str | None:
        """Why it is not delivered; None: it is."""


def pause_s(settings: DockerFlowSettings, failures: int) -> float:
    """How long to wait after so many failures in a row: DF_RETRY_INTERVAL, then twice as long each time up to the most,
    and up to a quarter more by chance. Never less than DF_RETRY_INTERVAL.
    """
    most = max(settings.retry_max_s, settings.retry_interval_s)
    pause = min(settings.retry_interval_s * 2.0 ** min(failures - 1, 32), most)
    return pause * random.uniform(1, 1 + JITTER)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Ports:
    """What lanes use of the outside."""

    store: Store
    sender: Sending
    metrics: DockerFlowMetrics


class Lanes:
    """All lanes. `news`: what there is to tell now. `told`: as the store has it."""

    def __init__(
        self, settings: DockerFlowSettings, ports: Ports, news: Callable[[Key], News | None], told: Mapping[Place, Told]
    ) -> None:
        self.settings, self.ports = settings, ports
        self._news = news
        self._lanes: dict[Place, Lane] = {}
        self._slots = {receiver.name: asyncio.Semaphore(IN_FLIGHT_MAX) for receiver in settings.receivers}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for receiver in settings.receivers:
            for known in told.values():
                if known.receiver == receiver.name:
                    self._lane(receiver, (known.kind, known.name)).told = known

    def news(self, key: Key, receiver: Receiver) -> News | None:
        """What this receiver should know of it."""
        news = self._news(key)
        if news is None or receiver.calls(news.kind) is None:
            return None
        return news if news.chosen is None or news.chosen & receiver.addresses else None

    def look(self, keys: Iterable[Key], *, again: bool = False) -> None:
        """The news of these may be others. `again`: tell them also to who knows them, and what was given up."""
        for key in keys:
            for receiver in self.settings.receivers:
                if receiver.calls(key[0]) is not None or (receiver.name, *key) in self._lanes:
                    self._wake(self._lane(receiver, key), again=again)

    def known(self) -> set[Key]:
        """The keys of which some receiver knows something, or may."""
        return {lane.key for lane in self._lanes.values()}

    def slots(self, receiver: Receiver) -> asyncio.Semaphore:
        return self._slots[receiver.name]

    async def run(self) -> None:
        """Until cancelled; the lanes end with it.

        Raises:
            PermanentError: the store refuses: another copy writes, or a permission is missing.
        """
        try:
            await self._failed
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _lane(self, receiver: Receiver, key: Key) -> "Lane":
        place = (receiver.name, *key)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(self, receiver, key)
        return lane

    def _wake(self, lane: "Lane", *, again: bool) -> None:
        if not lane.wake(again=again):
            self._drop_if_idle(lane)
        elif lane.task is None:
            lane.task = asyncio.create_task(lane.run())
            self._tasks.add(lane.task)
            lane.task.add_done_callback(lambda task: self._ended(lane, task))
        self._measure()

    def _ended(self, lane: "Lane", task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        lane.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            if not self._failed.done():
                self._failed.set_exception(error)
            return
        if not task.cancelled():
            self._wake(lane, again=False)  # something may have come as it ended

    def _drop_if_idle(self, lane: "Lane") -> None:
        if lane.task is None and lane.told is None and not (lane.again and self.news(lane.key, lane.receiver)):
            self._lanes.pop((lane.receiver.name, *lane.key), None)

    def _measure(self) -> None:
        self.ports.metrics.pending.set(len(self._tasks))


class Lane:
    """What one receiver is told of one object. `told`: what it knows. `again`: it is to be told in any case."""

    def __init__(self, lanes: Lanes, receiver: Receiver, key: Key) -> None:
        self.receiver, self.key = receiver, key
        self.told: Told | None = None
        self.again = False
        self.task: asyncio.Task[None] | None = None
        self._lanes = lanes
        self._given_up: tuple[str, str, str] | None = None
        self._trying: tuple[str, str, str] | None = None
        self._changed = asyncio.Event()

    def wake(self, *, again: bool) -> bool:
        """The news may be others; whether there is something to do."""
        if again:
            self.again, self._given_up = True, None
        step = self._step()
        if again or step is None or step.sense != self._trying:
            self._changed.set()
        return step is not None

    async def run(self) -> None:
        """Until there is nothing to tell."""
        failures = 0
        while self._step() is not None:
            async with self._lanes.slots(self.receiver):
                step = self._step()  # what there is to tell when it is its turn
                if step is None:
                    break
                self._changed.clear()
                if step.sense != self._trying:
                    self._trying, self._given_up, failures = step.sense, None, 0
                reason = await self._take(step)
            if reason is None:
                self._trying = None
            else:
                failures += 1
                await self._failed(step, reason, failures)
        self._trying = None

    def _step(self) -> Step | None:
        news, kind = self._lanes.news(self.key, self.receiver), self.key[0]
        calls = self.receiver.calls(kind)
        address = f"{calls.create.method} {calls.create.url}" if calls and calls.create else ""
        step = next_step(self.receiver.name, address, self.told, news, again=self.again)
        return None if step is not None and step.sense == self._given_up else step

    async def _take(self, step: Step) -> str | None:
        """Why it is not delivered; None: it is, and noted."""
        store = self._lanes.ports.store
        self.again = False
        if self.told != step.before:
            await _persist(lambda: store.note(step.before))
            self.told = step.before
        reason = await self._send(step)
        if reason is None:
            after = step.after
            await _persist(lambda: store.forget(step.before) if after is None else store.note(after))
            self.told = after
        return reason

    async def _send(self, step: Step) -> str | None:
        call = self._call(step.verb)
        if call is None:
            return None  # it wants to hear of the other only
        started = time.monotonic()
        reason = await self._lanes.ports.sender.send(step.verb, call, step.query)
        self._lanes.ports.metrics.sent(self.receiver.name, self.key[0], step.verb, reason, time.monotonic() - started)
        if reason is None:
            log.info("told", receiver=self.receiver.name, kind=self.key[0], verb=step.verb, name=self.key[1])
        return reason

    async def _failed(self, step: Step, reason: str, failures: int) -> None:
        settings, where = self._lanes.settings, {"receiver": self.receiver.name, "name": self.key[1]}
        if failures <= settings.retries and settings.retry_interval_s > 0:
            pause = pause_s(settings, failures)
            log.warning("not told, trying again", **where, verb=step.verb, reason=reason, pause_s=round(pause, 1))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            return
        log.error("not told, given up", **where, verb=step.verb, reason=reason, tries=failures)
        call = self._call(step.verb)
        url = without_password(with_query(call.url, step.query))[:URL_SHOWN_MAX] if call else ""
        what = f"{step.verb} {self.key[0]} {self.key[1]}"
        text = f"{self.receiver.name} was not told ({what}): {reason}; tried {failures} times"
        await _persist(lambda: self._lanes.ports.store.bury(self.key[1], url, text))
        self._lanes.ports.metrics.given_up(self.receiver.name, self.key[0], step.verb)
        if not self.again:
            self._given_up = step.sense

    def _call(self, verb: Verb) -> Call | None:
        calls = self.receiver.calls(self.key[0])
        return None if calls is None else calls.create if verb == "create" else calls.remove


async def _persist(write: Callable[[], Awaitable[None]]) -> None:
    """Write as soon as NATS is there."""
    while True:
        try:
            await write()
        except Unavailable as error:
            log.warning("cannot note what was told", reason=str(error))
            await asyncio.sleep(STORE_RETRY_S)
        else:
            return
