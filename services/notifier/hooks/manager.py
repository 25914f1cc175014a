"""All webhooks of the active notifier: which run, how they do, and what is asked about them. I/O by bus, poster, file.

What is put is durable in the bucket before it is answered. A hook that is changed goes on where it was.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from funswarm.errors import FunswarmError, InvalidRequest, Refused, Unavailable, UnknownHook
from funswarm.hooks import HOOKS_MAX, Delivered, Hook, HookStatus
from funswarm.messages import Code
from services.bus.connection import Bus
from services.bus.handouts import Standing, consumer_standing, durable_consumers, forget_consumer
from services.bus.jetstream import bounds
from services.notifier.hooks.behind import Behind
from services.notifier.hooks.cloudevents import Message, request, trial
from services.notifier.hooks.keeping import HookBucket, HookFile, Kept, new
from services.notifier.hooks.letters import read_letter
from services.notifier.hooks.metrics import HookMetrics
from services.notifier.hooks.posting import Poster
from services.notifier.hooks.running import Figures, Running, Tools

LOOK_S: Final = 1.0
COUNT_S: Final = 5.0
CONSUMERS: Final = "hook-"
PLACE: Final = "hooks file"  # in the health's troubles
OF_FILE: Final = "file"  # the incarnation of all hooks of the file; those of others are hexadecimal
NEW: Final = Standing(pending=0, undelivered=1, delivered=0)  # of a consumer that is yet to be made: nobody knows

log = structlog.get_logger(__name__)


class Manager:
    """`open` it, then `run` until cancelled, then `close`. `tell`: what is wrong goes into the health."""

    def __init__(
        self,
        bus: Bus,
        poster: Poster,
        metrics: HookMetrics,
        file: HookFile,
        *,
        is_active: Callable[[], bool],
        tell: Callable[[str, str | None], None],
    ) -> None:
        self._bus = bus
        self._bucket = HookBucket(bus)
        self._file = file
        self._tell = tell
        self._tools = Tools(bus, poster, metrics, is_active, self._gone)
        self._kept: dict[str, Kept] = {}
        self._running: dict[str, Running] = {}
        self._figures: dict[str, Figures] = {}
        self._changing = asyncio.Lock()
        self._went: dict[str, str] = {}  # hooks whose receiver wants no more, and its words
        self._count_at = 0.0
        self._behind = Behind(bus)

    async def open(self) -> None:
        """
        Raises:
            Unavailable, PermanentError: the bucket cannot be read.
        """
        await self._behind.load()
        for kept in (await self._bucket.load()).values():
            await self._set(kept)
        self._file.begin()
        if self._file.look():
            await self._follow_file()
        await self._forget_others()

    async def run(self) -> None:
        """Follow the file, pause whose receivers are gone, and count."""
        while True:
            await asyncio.sleep(LOOK_S)
            async with self._changing:
                if self._file.look():
                    await self._follow_file()
                    await self._forget_others()
                self._tell(PLACE, self._file_trouble())
                for name in list(self._went):
                    why = self._went[name]
                    with suppress(FunswarmError):  # else again, in a moment
                        await self._pause(name, f"the receiver said that it wants no more: {why}")
            if time.monotonic() >= self._count_at:
                self._count_at = time.monotonic() + COUNT_S
                with suppress(FunswarmError):
                    await self._count()

    async def close(self) -> None:
        await asyncio.gather(*(running.stop() for running in self._running.values()))
        self._running.clear()
        for name in self._kept:
            self._tools.metrics.forget(name)
        self._tell(PLACE, None)

    # What is asked.

    def all(self) -> tuple[HookStatus, ...]:
        return tuple(self._status(self._kept[name]) for name in sorted(self._kept))

    async def put(self, hook: Hook) -> HookStatus:
        """
        Raises:
            InvalidRequest: it cannot be meant, or is not allowed.
            Refused: it is one of the file, or there are too many.
        """
        async with self._changing:
            before = self._kept.get(hook.name)
            if before is not None:
                self._changeable(before)
            elif len(self._kept) >= HOOKS_MAX:
                raise Refused(f"there are {HOOKS_MAX} webhooks: remove one first", Code.CONFLICT)
            try:
                complete = hook.completed(before.hook if before else None)
            except ValueError as error:
                raise InvalidRequest(str(error)) from error
            if why_not := self._tools.poster.why_not(hook.url):
                raise InvalidRequest(f"url: {why_not}")
            if before is None:
                kept = new(complete, (await bounds(self._bus.link, self._bus.subjects.events_stream))[1])
            else:
                resumed = before.resumed() if before.hook.paused and not hook.paused else before
                kept = resumed.model_copy(update={"hook": complete})
            await self._bucket.write(kept)
            await self._set(kept)
            return self._status(kept)

    async def pause(self, name: str) -> HookStatus:
        """
        Raises:
            UnknownHook: there is none of that name.
            Refused: it is one of the file.
        """
        async with self._changing:
            self._changeable(self._find(name))
            return await self._pause(name, None)

    async def resume(self, name: str) -> HookStatus:
        """Raises what `pause` does; one of the file can be resumed after its receiver was gone."""
        async with self._changing:
            kept = self._find(name)
            if kept.source == "file" and kept.why_paused is None:
                self._changeable(kept)
            return await self._keep(kept.resumed())

    async def remove(self, name: str) -> None:
        """Raises what `pause` does."""
        async with self._changing:
            self._changeable(self._find(name))
            await self._bucket.remove(name)
            await self._unset(name)
            if name in self._file.hooks:  # it was in its way
                await self._take_up(self._file.hooks[name])

    async def test(self, name: str) -> Delivered:
        """Send it an event of the type `funswarm.test`, once, also while it is paused.

        Raises:
            UnknownHook: there is none of that name.
        """
        hook = self._find(name).hook
        return await self._send(hook, trial(self._bus.subjects.prefix, hook, datetime.now(UTC)))

    async def replay(self, sequence: int) -> Delivered:
        """Send the event of a dead letter to its hook, once. Who asked drops the letter.

        Raises:
            UnknownHook, UnknownDeadLetter: there is none.
            InvalidRequest: the letter holds no event.
        """
        name, message = await read_letter(self._bus, sequence)
        return await self._send(self._find(name).hook, message)

    # How it is done.

    async def _send(self, hook: Hook, message: Message) -> Delivered:
        headers, body = request(hook, message, datetime.now(UTC))
        answer = await self._tools.poster.post(hook.url, headers, body, hook.timeout_s)
        return Delivered(
            hook=hook.name, ok=answer.ok, status=answer.status, reason=answer.reason, seconds=round(answer.seconds, 3)
        )

    def _find(self, name: str) -> Kept:
        if name not in self._kept:
            raise UnknownHook(f"there is no webhook {name!r}: `funswarm hooks list` has all")
        return self._kept[name]

    def _changeable(self, kept: Kept) -> None:
        if kept.source == "file":
            raise Refused(f"the webhook {kept.hook.name} is one of FUNSWARM_HOOKS_FILE: change it there", Code.CONFLICT)
        if not self._tools.is_active():
            raise Unavailable("another copy of the notifier may be active: ask again")

    def _gone(self, name: str, why: str) -> None:
        self._went[name] = why

    async def _pause(self, name: str, why: str | None) -> HookStatus:
        log.warning("a webhook is paused", hook=name, reason=why or "as asked")
        return await self._keep(self._find(name).paused(why))

    async def _keep(self, kept: Kept) -> HookStatus:
        if kept.source == "put":
            await self._bucket.write(kept)
        await self._set(kept)
        return self._status(kept)

    async def _follow_file(self) -> None:
        wanted = self._file.hooks
        for name in [name for name, kept in self._kept.items() if kept.source == "file" and name not in wanted]:
            await self._unset(name)
        for hook in wanted.values():
            await self._take_up(hook)

    async def _forget_others(self) -> None:
        """The consumers of hooks that are no more.

        Raises:
            Unavailable, PermanentError: NATS does not say which there are, or does not take one away.
        """
        consumers = {kept.consumer for kept in self._kept.values()}
        for name in await durable_consumers(self._bus):
            may_be_in_file = name.endswith(f"-{OF_FILE}") and not self._file.settled
            if name.startswith(CONSUMERS) and name not in consumers and not may_be_in_file:
                await forget_consumer(self._bus, name)

    async def _take_up(self, hook: Hook) -> None:
        """One of the file runs as it says there."""
        before, now = self._kept.get(hook.name), datetime.now(UTC)
        if before is None:
            await self._set(Kept(hook=hook, source="file", incarnation=OF_FILE, since=now))
        elif before.source == "file" and before.hook != hook:
            await self._set(before.model_copy(update={"hook": hook, "why_paused": None, "since": now}))

    def _file_trouble(self) -> str | None:
        if self._file.why_not is None:
            for name in self._file.hooks:
                if name in self._kept and self._kept[name].source == "put":
                    return f"the webhook {name} of FUNSWARM_HOOKS_FILE waits until the one that was put is removed"
        return self._file.why_not

    async def _set(self, kept: Kept) -> None:
        """It runs as this says."""
        name = kept.hook.name
        if running := self._running.pop(name, None):
            await running.stop()
        self._went.pop(name, None)
        self._kept[name] = kept
        figures = self._figures.setdefault(name, Figures())
        figures.trouble = None
        if not kept.hook.paused:
            with suppress(FunswarmError):
                await self._look_behind(kept, *await bounds(self._bus.link, self._bus.subjects.events_stream))
            self._running[name] = Running(self._tools, kept, figures)
            self._running[name].start()
        self._tools.metrics.is_now(self._status(kept))

    async def _unset(self, name: str) -> None:
        kept = self._kept.pop(name)
        self._went.pop(name, None)
        if running := self._running.pop(name, None):
            await running.stop()
        self._figures.pop(name, None)
        self._tools.metrics.forget(name)
        with suppress(FunswarmError):  # else the next notifier does
            await forget_consumer(self._bus, kept.consumer)

    async def _count(self) -> None:
        """What is to be delivered still, and what no longer can be."""
        first, last = await bounds(self._bus.link, self._bus.subjects.events_stream)
        for name, kept in list(self._kept.items()):
            await self._look_behind(kept, first, last)
            if name in self._kept:
                self._tools.metrics.is_now(self._status(self._kept[name]))
        await self._behind.save(self._kept.values())

    async def _look_behind(self, kept: Kept, first: int, last: int) -> None:
        """Also before a hook goes on: from then on its consumer passes over what is not kept any more."""
        name, standing = kept.hook.name, await consumer_standing(self._bus, kept.consumer)
        if name not in self._figures:
            return
        figures = self._figures[name]
        if lost := self._behind.lost(kept, standing or NEW, figures.undelivered, first, last):
            figures.lost += lost
            self._tools.metrics.lost.labels(name).inc(lost)
            log.error("events were no longer kept, and are not delivered", hook=name, at_most=lost)
        if standing is not None:
            figures.pending, figures.undelivered = standing.pending, standing.undelivered

    def _status(self, kept: Kept) -> HookStatus:
        name = kept.hook.name
        figures, running = self._figures[name], self._running.get(name)
        trouble = kept.why_paused if kept.hook.paused else figures.trouble
        oldest_at = running.oldest_at if running else None
        return HookStatus(
            hook=kept.hook.shown(),
            source=kept.source,
            state="paused" if kept.hook.paused else "failing" if trouble else "ok",
            reason=trouble,
            pending=figures.pending,
            oldest_s=round((datetime.now(UTC) - oldest_at).total_seconds(), 1) if oldest_at else None,
            delivered=figures.delivered,
            dead_letters=figures.dead_letters,
            lost=figures.lost,
            last_delivered_at=figures.last_delivered_at,
        )
