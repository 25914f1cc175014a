"""One webhook at work: takes what its consumer hands out, sends it, and follows the verdict. I/O by bus and poster.

At most AT_ONCE events are on their way to a receiver, and WINDOW known of: one that hangs or is gone costs its own time
and no more memory than that.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from funswarm.errors import FunswarmError, Unavailable
from funswarm.messages import Code
from funswarm.subjects import untoken
from services.bus.connection import Bus
from services.bus.handouts import Handout, Handouts
from services.bus.reading import stored_at
from services.notifier.hooks.cloudevents import Message, request
from services.notifier.hooks.judging import Answer, Verdict, judge
from services.notifier.hooks.keeping import Kept
from services.notifier.hooks.labels import labels_of
from services.notifier.hooks.lanes import Lanes
from services.notifier.hooks.letters import write_letter
from services.notifier.hooks.metrics import HookMetrics
from services.notifier.hooks.posting import Poster

AT_ONCE: Final = 4
RETRY_S: Final = 1.0
FINISH_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What all hooks work with. `is_active`: whether this copy may still act. `gone`: a receiver wants no more."""

    bus: Bus
    poster: Poster
    metrics: HookMetrics
    is_active: Callable[[], bool]
    gone: Callable[[str, str], None]


@dataclass(slots=True)
class Figures:
    """How a hook does. `trouble`: why the last delivery was not taken. `undelivered`: at the last count."""

    pending: int = 0
    delivered: int = 0
    dead_letters: int = 0
    lost: int = 0
    trouble: str | None = None
    last_delivered_at: datetime | None = None
    undelivered: int | None = None


class Running:
    """`start` it, and `stop` it: then what is on its way may end within FINISH_S."""

    def __init__(self, tools: Tools, kept: Kept, figures: Figures) -> None:
        self._tools = tools
        self._kept = kept
        self._hook = kept.hook
        self._figures = figures
        self._lanes = Lanes()
        self._in_hand: dict[int, Handout] = {}
        self._attempts: dict[int, int] = {}
        self._not_before = 0.0  # by the monotonic clock: the receiver asked for it
        self._changed = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._stopping = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=FINISH_S)
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest event in hand was stored."""
        return min((handout.stored_at for handout in self._in_hand.values()), default=None)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._session()
            except FunswarmError as error:
                log.warning("trying again", hook=self._hook.name, reason=str(error))
            except Exception:
                log.exception("trying again after a fault in Funswarm itself", hook=self._hook.name)
            else:
                continue
            await asyncio.sleep(RETRY_S)

    async def _session(self) -> None:
        handouts = Handouts(
            self._tools.bus, self._kept.consumer, self._hook.filters(self._tools.bus.subjects), self._kept.after
        )
        tasks: set[asyncio.Task[None]] = set()
        self._lanes, self._in_hand, self._attempts = Lanes(), {}, {}
        try:
            await handouts.open()
            feeding = asyncio.create_task(self._feed(handouts))
            workers = [asyncio.create_task(self._work(handouts)) for _ in range(AT_ONCE)]
            tasks = {feeding, *workers}
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            await asyncio.wait(workers)  # to stop: each ends what it has begun
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await handouts.close()

    async def _feed(self, handouts: Handouts) -> None:
        async for handout in handouts:
            self._in_hand[handout.sequence] = handout
            self._lanes.add(_object(handout), handout.sequence)
            self._changed.set()

    async def _work(self, handouts: Handouts) -> None:
        while (sequence := await self._next()) is not None:
            handout = self._in_hand[sequence]
            again_s = await self._once(handout)
            if again_s is not None:
                self._lanes.again(sequence, time.monotonic() + again_s)
            else:
                self._lanes.finish(sequence)
                self._attempts.pop(sequence, None)
                del self._in_hand[sequence]
                await handouts.finish(sequence)
            self._changed.set()

    async def _next(self) -> int | None:
        """Whose turn it is; None: no more."""
        while not self._stopping:
            now = time.monotonic()
            if now >= self._not_before and (sequence := self._lanes.take(now)) is not None:
                return sequence
            wait_s = self._lanes.wait_s(now)
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait_s is None else max(wait_s, self._not_before - now)):
                    await self._changed.wait()
        return None

    async def _once(self, handout: Handout) -> float | None:
        """One turn; in how many seconds it is to have another, None: it is done with."""
        try:
            return await self._turn(handout)
        except FunswarmError as error:
            log.info("an event waits for NATS", hook=self._hook.name, sequence=handout.sequence, reason=str(error))
            return RETRY_S
        except Exception:
            log.exception("an event cannot be sent: a fault in Funswarm itself", hook=self._hook.name)
            why = Verdict("dead", "a fault in Funswarm itself: the notifier's log has more", Code.INTERNAL)
            with suppress(FunswarmError):
                await self._dead(handout, b"", why)
                return None
            return RETRY_S

    async def _turn(self, handout: Handout) -> float | None:
        kind, action, name, *_ = self._tools.bus.subjects.parts_of_event(handout.subject)
        if not self._hook.takes(kind, untoken(action), untoken(name)):
            return None
        event = await stored_at(self._tools.bus, self._tools.bus.subjects.events_stream, handout.sequence)
        if event is None:
            self._figures.lost += 1
            self._tools.metrics.lost.labels(self._hook.name).inc()
            log.error(
                "an event is no longer kept, and was not delivered", hook=self._hook.name, sequence=handout.sequence
            )
            return None
        if self._hook.labels and not self._hook.takes_labels(await labels_of(self._tools.bus, kind, event.body)):
            return None
        if not self._tools.is_active():
            raise Unavailable("another copy of the notifier may be active")
        headers, content = request(self._hook, Message(event.headers, event.body), datetime.now(UTC))
        answer = await self._tools.poster.post(self._hook.url, headers, content, self._hook.timeout_s)
        return await self._follow(handout, event.body, answer)

    async def _follow(self, handout: Handout, body: bytes, answer: Answer) -> float | None:
        attempts = self._attempts[handout.sequence] = self._attempts.get(handout.sequence, 0) + 1
        now = datetime.now(UTC)
        age_s = (now - max(handout.stored_at, self._kept.since)).total_seconds()
        verdict = judge(answer, self._hook.retry, attempts, age_s, random.random())  # noqa: S311
        is_news, self._figures.trouble = verdict.reason != self._figures.trouble, verdict.reason
        self._tools.metrics.attempted(self._hook.name, verdict.what, answer.seconds)
        match verdict.what:
            case "delivered":
                self._figures.delivered += 1
                self._figures.last_delivered_at = now
                self._tools.metrics.delay_s.labels(self._hook.name).observe((now - handout.stored_at).total_seconds())
                return None
            case "dead":
                await self._dead(handout, body, verdict)
                return None
            case "gone":
                self._stopping = True
                self._tools.gone(self._hook.name, verdict.reason or "")
                return RETRY_S
        if verdict.all_wait:
            self._not_before = max(self._not_before, time.monotonic() + verdict.delay_s)
        if is_news:
            log.warning(
                "an event was not taken", hook=self._hook.name, sequence=handout.sequence, reason=verdict.reason
            )
        return verdict.delay_s

    async def _dead(self, handout: Handout, body: bytes, verdict: Verdict) -> None:
        reason = verdict.reason or ""
        await write_letter(self._tools.bus, self._kept, handout, body, reason, verdict.code)
        self._figures.dead_letters += 1
        self._tools.metrics.dead_letters.labels(self._hook.name).inc()
        log.error("an event became a dead letter", hook=self._hook.name, sequence=handout.sequence, reason=reason)


def _object(handout: Handout) -> str:
    """Of which object it tells: `<kind>/<id>`."""
    return handout.headers.get("ce-subject") or handout.subject
