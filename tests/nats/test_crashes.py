"""Killed at any point, the feed stays right: pollers, NATS and the engine fail at random, then all is compared.

A session of the poller dies as a process does: at one of its messages to NATS, before or after it left, everything
that it would send is no more. Sometimes it does not die but is stopped and wakes up when a successor is at work. What
happens comes from a seed, FUNSWARM_CRASH_SEED (0: another each time), which is said when the test fails; when it
happens does not.
"""

import asyncio
import logging
import os
import random
import time
from contextlib import suppress

from funswarm.errors import FunswarmError, Unavailable
from services.bus.connection import Bus
from services.poller.active import Copy, run_active
from services.poller.health import Standing
from services.poller.metrics import Metrics
from services.simulator.faults import Faults
from services.simulator.model import ApiError
from tests.checker import events_of, fold
from tests.pollers import POLLER, World, world
from tests.servers import NatsServer, nats_server
from tests.waiting import until

log = logging.getLogger(__name__)

FAULTS = 240
FAULTS_MIN = 200
DURATION_MAX_S = 600.0
ENGINE_FAULTS = (
    Faults(events_silent=True),
    Faults(events_dropped=True),
    Faults(garbage_share=0.3),
    Faults(half_share=0.3),
    Faults(error_share=0.5),
    Faults(slow_s=0.02),
)


class Mortal:
    """One session of the poller on a connection of its own, which dies or sleeps at its `at`th message to NATS."""

    def __init__(self, bus: Bus, *, at: int, sent: bool, sleeps_s: float) -> None:
        self.bus = bus
        self.struck = asyncio.Event()
        self._left, self._sent, self._sleeps_s = at, sent, sleeps_s
        self._send = bus.link.send
        bus.link.send = self._fatal  # type: ignore[method-assign]

    async def _fatal(self, subject: str, *args, **kwargs) -> None:
        if self.struck.is_set() and not self._sleeps_s:
            raise Unavailable("dead")
        self._left -= not subject.startswith("$JS.API")  # questions change nothing
        strikes = self._left == 0
        if strikes and not self._sent:
            await self._strike()
        await self._send(subject, *args, **kwargs)
        if strikes and self._sent:
            await self._strike()

    async def _strike(self) -> None:
        self.struck.set()
        await asyncio.sleep(self._sleeps_s or DURATION_MAX_S)


async def live(swarm: World, mortal: Mortal) -> None:
    """Be active until something ends it; that is no failure here."""
    standing = Standing("mortal", "0", 90, simulator=True)
    with suppress(FunswarmError, BaseExceptionGroup):
        await run_active(Copy(mortal.bus, POLLER, standing, Metrics()), swarm.engine, await swarm.engine.info())


class Chaos:
    """What happens, by a seed."""

    def __init__(self, swarm: World, server: NatsServer, seed: int) -> None:
        self.swarm, self.server, self.random = swarm, server, random.Random(seed)
        self.faults: dict[str, int] = {}
        self.zombies: set[asyncio.Task[None]] = set()
        self._number = 0

    def count(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    async def work(self) -> None:
        """Users write to the engine, for ever; tasks and nodes fail."""
        while True:
            await asyncio.sleep(self.random.uniform(0, 0.03))
            with suppress(FunswarmError, ApiError, IndexError):
                await self._write()

    async def _write(self) -> None:
        cluster, services = self.swarm.cluster, await self.swarm.engine.list("service")
        match self.random.choice(["create", "scale", "label", "remove", "kill", "node"]):
            case "create" if len(services) < 12:
                self._number += 1
                await self.swarm.create(f"s{self._number}", self.random.randint(0, 4))
            case "scale" if services:
                await self.swarm.scale(self.random.choice(services).id, self.random.randint(0, 5))
            case "label" if services:
                await self.swarm.change(self.random.choice(services).id, Labels={"n": str(self.random.random())})
            case "remove" if len(services) > 4:
                await self.swarm.engine.remove_service(self.random.choice(services).id)
            case "kill":
                tasks = await self.swarm.engine.list("task")
                cluster.kill_task(self.random.choice(tasks).id, 1)
            case "node":
                nodes = await self.swarm.engine.list("node")
                cluster.set_node_state(nodes[-1].id, self.random.choice(["down", "ready"]))

    async def session(self) -> None:
        """One session, from its take-over to its death, or to its sleep."""
        sleeps = self.random.random() < 0.25
        mortal = Mortal(
            await Bus.connect(self.swarm.nats, "mortal"),
            at=self.random.choice([1, 2, 3, 5, 8, 13, 21, 34, 55]),
            sent=self.random.random() < 0.5,
            sleeps_s=self.random.uniform(0.05, 0.4) if sleeps else 0,
        )
        session = asyncio.create_task(self._until_closed(mortal))
        self.zombies.add(session)
        session.add_done_callback(self.zombies.discard)
        struck = asyncio.create_task(mortal.struck.wait())
        await asyncio.wait({session, struck}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        struck.cancel()
        self.count("zombie" if sleeps else "killed")
        if not sleeps:
            session.cancel()
            await asyncio.wait({session})

    async def _until_closed(self, mortal: Mortal) -> None:
        try:
            await asyncio.wait_for(live(self.swarm, mortal), 3)
        except TimeoutError:
            pass
        finally:
            await mortal.bus.close()

    async def fault(self) -> None:
        """One thing goes wrong beside the pollers."""
        match self.random.choices(["engine", "heal", "restart", "nats"], [4, 4, 1, 1])[0]:
            case "engine":
                self.swarm.simulator.set_faults(self.random.choice(ENGINE_FAULTS))
                self.count("engine")
            case "heal":
                self.swarm.simulator.set_faults(Faults())
            case "restart":
                await self.swarm.simulator.restart(self.random.uniform(0, 0.1))
                self.count("engine restarted")
            case "nats":
                self.server.kill()
                await asyncio.sleep(self.random.uniform(0, 0.1))
                await asyncio.to_thread(self.server.start)
                self.count("nats killed")


async def test_the_feed_is_right_whatever_dies(tmp_path):
    seed = int(os.environ.get("FUNSWARM_CRASH_SEED", "1")) or random.SystemRandom().randint(1, 2**31)
    log.warning("FUNSWARM_CRASH_SEED=%d", seed)
    with nats_server(tmp_path) as server:
        async with world(server.url) as swarm:
            chaos = Chaos(swarm, server, seed)
            users = asyncio.create_task(chaos.work())
            end = time.monotonic() + DURATION_MAX_S
            while sum(chaos.faults.values()) < FAULTS and time.monotonic() < end:
                await asyncio.gather(chaos.session(), chaos.fault())
            assert not users.done()  # they wrote all the time
            users.cancel()
            swarm.simulator.set_faults(Faults())
            await until(lambda: not chaos.zombies, "the last zombies to die")
            log.warning("what went wrong: %s", chaos.faults)
            assert sum(chaos.faults.values()) >= FAULTS_MIN
            async with swarm.poller():
                await swarm.right()

            assert [] == fold(await events_of(swarm.bus))[1]  # the engine may have moved on since, and the stop cut in
