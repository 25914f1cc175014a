"""Schedulers that die or freeze at labelled points, one after the other, over one NATS and one simulated Swarm.

A life is all that a scheduler's copy has while it is active: store, writer, worker, deliveries. Every call of it to the
outside passes two points, before and after its effect; at one that is chosen the life is killed: nothing of it goes
on, and nothing more of it gets out. A frozen one wakes up when others have been active after it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from funswarm.commands import Command
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.engine.client import Engine
from services.scheduler.fold import Services
from services.scheduler.metrics import Metrics
from services.scheduler.safe_write import SafeWriter
from services.scheduler.store import NatsStore
from services.scheduler.targets import Targets
from services.scheduler.worker import Worker

T = TypeVar("T")

CALLS = ("intent", "note", "look", "create", "update", "rollback", "remove", "node", "store", "audit", "ack")
POINTS = tuple(f"{name}:{side}" for name in CALLS for side in ("before", "after"))
FREEZES_AT = ("update:before", "rollback:before", "remove:before", "node:before", "note:before", "store:before")
ACK_LOST, FREEZES = 0.1, 0.3
DELIVERIES_MAX = 1_000_000  # here it is not the command that kills
LIFE_S = 20.0
TAKES_OVER_AFTER = 2

_trying: ContextVar[str] = ContextVar("trying")


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


class Life:
    """`ends_at`: it ends at the first of these points that it comes to. Now and then it freezes there instead."""

    def __init__(self, ends_at: Collection[str], chance: random.Random) -> None:
        self._ends_at, self.chance = ends_at, chance
        self.ended_at: str | None = None
        self.freezes = False
        self.dead = False
        self.acks_lost = 0
        self.ended = asyncio.Event()
        self.thaw = asyncio.Event()

    async def at(self, point: str) -> None:
        """Goes on, or not."""
        if self.dead:
            raise Killed
        if self.ended_at is not None or point not in self._ends_at:
            return
        self.ended_at = point
        self.freezes = point in FREEZES_AT and self.chance.random() < FREEZES
        self.dead = not self.freezes
        self.ended.set()
        if self.freezes:
            await self.thaw.wait()
        if self.dead:
            raise Killed


class _Engine:
    """The engine as a life sees it; `effects`: (command, what) of each write that the engine took."""

    def __init__(self, engine: Engine, life: Life, effects: list[str]) -> None:
        self._engine, self._life, self._effects = engine, life, effects

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def service_json(self, name_or_id):
        return await self._do("look", self._engine.service_json, name_or_id, is_effect=False)

    async def create_service(self, spec, registry_auth=None):
        return await self._do("create", self._engine.create_service, spec, registry_auth)

    async def update_service(self, service_id, version, spec, *, rollback=False):
        name = "rollback" if rollback else "update"
        return await self._do(name, self._engine.update_service, service_id, version, spec, rollback=rollback)

    async def remove_service(self, service_id):
        return await self._do("remove", self._engine.remove_service, service_id)

    async def update_node(self, node_id, version, spec):
        return await self._do("node", self._engine.update_node, node_id, version, spec)

    async def _do(self, name, effect, *arguments, is_effect=True, **named):
        await self._life.at(f"{name}:before")
        answer = await asyncio.shield(self._noted(effect(*arguments, **named), is_effect=is_effect))
        await self._life.at(f"{name}:after")
        return answer

    async def _noted(self, effect: Awaitable[T], *, is_effect: bool) -> T:
        """What is on its way to the engine when a life ends still gets there."""
        answer = await effect
        if is_effect:
            self._effects.append(_trying.get())
        return answer


class _Store(NatsStore):
    """The store as a life sees it."""

    def __init__(self, bus: Bus, life: Life) -> None:
        super().__init__(bus, lambda: life.ended_at is None)
        self._life = life

    async def intent(self, command_id):
        return await self._do("intent", super().intent, command_id)

    async def note(self, command_id, intent):
        return await self._do("note", super().note, command_id, intent)

    async def store(self, result):
        return await self._do("store", super().store, result)

    async def audit(self, records):
        return await self._do("audit", super().audit, records)

    async def _do(self, name, effect, *arguments):
        await self._life.at(f"{name}:before")
        answer = await effect(*arguments)
        await self._life.at(f"{name}:after")
        return answer


class _Writer(SafeWriter):
    async def attempt(self, command, traceparent, *, foresee=True):
        _trying.set(command.id)
        return await super().attempt(command, traceparent, foresee=foresee)


class _Delivery:
    """A delivery as a life sees it; an acknowledgement may get lost, as where NATS crashes after it."""

    def __init__(self, delivery: Any, life: Life) -> None:
        self._delivery, self._life = delivery, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._delivery, name)

    async def ack(self) -> None:
        await self._life.at("ack:before")
        if self._life.chance.random() < ACK_LOST:
            self._life.acks_lost += 1
        else:
            await self._delivery.ack()
        await self._life.at("ack:after")


class Crashes:
    """Lives, one after the other; `kills`: how many ended at which point."""

    def __init__(self, bus: Bus, engine: Engine, seed: int) -> None:
        self.bus, self.engine, self.chance = bus, engine, random.Random(seed)
        asyncio.get_running_loop().set_exception_handler(_overlook_killed)
        self.kills: Counter[str] = Counter()
        self.frozen = 0
        self.effects: list[str] = []
        self.sequences: dict[str, int] = {}  # of each command, where it was accepted first
        self.accepted: dict[str, Command] = {}
        self._asleep: list[tuple[int, Life, asyncio.Task[None]]] = []
        self._lives = 0

    async def submit(self, command: Command, key: str | None = None) -> None:
        """Also again, under the same key (NATS drops it) or another one (it is in the queue twice)."""
        subjects = self.bus.subjects
        headers = {"Nats-Msg-Id": key or command.id}
        subject, body = subjects.command(command.verb, command.target), command.model_dump_json().encode()
        sequence = await self.bus.publish(subject, body, headers, subjects.commands_stream)
        self.accepted.setdefault(command.id, command)
        self.sequences.setdefault(command.id, sequence)

    def points(self) -> list[str]:
        """Some of the points at which the fewest have ended."""
        return self.chance.sample(sorted(POINTS, key=lambda point: self.kills[point])[:8], 4)

    async def live(self, ends_at: Collection[str] = ()) -> None:
        """One life: until it is killed or frozen, or the queue is empty."""
        self._lives += 1
        await self._wake(self._lives)
        life = Life(ends_at, self.chance)
        store = _Store(self.bus, life)
        await store.open()
        engine: Any = _Engine(self.engine, life, self.effects)
        writer = _Writer(engine, store, lambda: life.ended_at is None, Services())
        lane_of = Targets(engine, Services()).lane_of
        worker = Worker(self.bus.subjects, store, writer, Metrics(), lane_of, deliveries_max=DELIVERIES_MAX)
        deliveries = await self.bus.consume_commands(100)
        work = asyncio.create_task(worker.run(_seen(deliveries, life)))
        await self._until_its_end(life, work)
        await deliveries.close()
        if life.ended_at is not None:
            self.kills[life.ended_at] += 1
        if life.freezes:
            self.frozen += 1
            self._asleep.append((self._lives + TAKES_OVER_AFTER, life, work))
        else:
            await _end(life, work)

    async def rest(self) -> None:
        """Wake all that are frozen, then live without dying until nothing is left to do."""
        await self._wake(self._lives + TAKES_OVER_AFTER)
        while await self._left():
            await self.live()

    async def _wake(self, now: int) -> None:
        for due, life, work in list(self._asleep):
            if due <= now:
                self._asleep.remove((due, life, work))
                life.thaw.set()
                await asyncio.wait({work}, timeout=0.2)
                await _end(life, work)

    async def _until_its_end(self, life: Life, work: asyncio.Task[None]) -> None:
        end = asyncio.get_running_loop().time() + LIFE_S
        while not life.ended.is_set() and not work.done() and asyncio.get_running_loop().time() < end:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.03):
                    await life.ended.wait()
            if not life.ended.is_set() and await self._left() <= life.acks_lost:
                return

    async def _left(self) -> int:
        info: Mapping[str, Any] = await call(self.bus.link, f"STREAM.INFO.{self.bus.subjects.commands_stream}")
        return int(info["state"]["messages"])


async def _seen(deliveries: Any, life: Life) -> AsyncIterator[Any]:
    async for delivery in deliveries:
        yield _Delivery(delivery, life)


async def _end(life: Life, work: asyncio.Task[None]) -> None:
    life.dead = True
    life.thaw.set()
    work.cancel()
    await asyncio.wait({work}, timeout=60)
    if not work.cancelled() and (error := work.exception()) is not None and not isinstance(error, Killed):
        raise error


def _overlook_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Who is killed leaves tasks behind that nobody waits for."""
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)
