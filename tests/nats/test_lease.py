"""The lease: one holder at a time, handed on after a stop and after a death. Bounds are wide; no timing is measured."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from services.bus.connection import Bus
from services.bus.lease import TTL_S, Lease
from services.bus.settings import NatsSettings
from tests.proxy import Proxy
from tests.waiting import until


class Copy:
    """One that wants the lease, until `stop`."""

    def __init__(self, bus: Bus, name: str, part: str = "poller") -> None:
        self.lease = Lease(bus, part, name)
        self.active = False
        self._stopping = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.lease.hold():
            self.active = True
            stopping = asyncio.create_task(self._stopping.wait())
            lost = asyncio.create_task(self.lease.lost.wait())
            await asyncio.wait({stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            lost.cancel()
            self.active = False

    def has_it(self) -> bool:
        return self.active

    async def stop(self) -> None:
        self._stopping.set()
        await self.task


@pytest.fixture(autouse=True)
def patience() -> None:
    """None here."""


@pytest.fixture
async def copies():
    """A function: another copy; all are ended at the end."""
    made: list[Copy] = []

    def copy(bus: Bus, name: str, part: str = "poller") -> Copy:
        made.append(Copy(bus, name, part))
        return made[-1]

    yield copy
    for one in made:
        one.task.cancel()
    await asyncio.wait([one.task for one in made])


@pytest.fixture
async def proxied(nats, own_bus):
    """The proxy, and a bus through it, on the test's own server."""
    async with Proxy(nats.port) as proxy, AsyncExitStack() as stack:
        bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{proxy.port}"), "proxied")
        stack.push_async_callback(bus.close)
        yield proxy, bus


async def test_the_only_copy_gets_it(bus, copies):
    one = copies(bus, "one")
    await until(lambda: one.active, "the lease")
    assert one.lease.held


async def test_one_of_many_gets_it(bus, copies):
    several = [copies(bus, f"copy-{n}") for n in range(5)]
    await until(lambda: any(one.active for one in several), "the lease")
    for _ in range(100):
        await asyncio.sleep(0.01)
        assert sum(one.active for one in several) <= 1


async def test_it_stays_where_it_is(bus, copies):
    for number in range(3):  # a machine that stands still for some seconds loses it, rightly
        part = f"part-{number}"
        one = copies(bus, "one", part)
        await until(one.has_it, "the lease")
        two = copies(bus, "two", part)
        await asyncio.sleep(TTL_S + 1)
        if not one.lease.lost.is_set():
            break
    assert (True, False) == (one.active, two.active)


async def test_parts_have_leases_of_their_own(bus):
    async with Lease(bus, "poller", "one").hold(), Lease(bus, "scheduler", "one").hold() as second:
        assert second.held


async def test_a_clean_stop_hands_it_on_before_it_runs_out(bus, copies, monkeypatch):
    monkeypatch.setattr("services.bus.lease.TTL_S", 600)
    one = copies(bus, "one")
    await until(lambda: one.active, "the lease")
    two = copies(bus, "two")
    await one.stop()
    await until(lambda: two.active, "the lease to pass on")


async def test_a_dead_holder_is_followed(nats, connect, own_bus, copies):
    dead = await connect(nats)
    one = copies(dead, "one")
    await until(lambda: one.active, "the lease")
    two = copies(own_bus, "two")
    await dead.close()
    await until(lambda: two.active, "the lease to pass on")


async def test_a_holder_that_is_cut_off_knows_it_before_another_has_it(proxied, own_bus, copies):
    proxy, bus = proxied
    one = copies(bus, "one")
    await until(lambda: one.active, "the lease")
    two = copies(own_bus, "two")
    proxy.requests.clear()
    await until(lambda: two.active, "the lease to pass on")
    assert (False, True) == (one.lease.held, one.lease.lost.is_set())


async def test_a_holder_whose_clock_jumped_does_not_hold_it(bus, monkeypatch):
    async with Lease(bus, "poller", "one").hold() as lease:
        now = time.monotonic
        monkeypatch.setattr("services.bus.lease.time.monotonic", lambda: now() + TTL_S + 1)
        assert not lease.held
        await until(lease.lost.is_set, "the loss to be noticed")


async def test_it_is_kept_over_a_short_outage(nats, own_bus, copies):
    one = copies(own_bus, "one")
    await until(lambda: one.active, "the lease")
    nats.kill()
    nats.start()
    await asyncio.sleep(TTL_S + 1)
    assert one.lease.held or one.lease.lost.is_set()  # a slow machine may need longer than TTL_S to come back


async def test_a_renewal_whose_answer_was_lost_does_not_lose_it(proxied, copies):
    proxy, bus = proxied
    one = copies(bus, "one")
    await until(lambda: one.active, "the lease")
    revision = one.lease._revision
    proxy.answers.clear()
    await asyncio.sleep(1.6)  # a renewal, not answered
    await proxy.cut()
    await until(lambda: one.lease._revision > revision + 1 or one.lease.lost.is_set(), "a renewal")
    assert one.lease.held or one.lease.lost.is_set()


async def test_a_lease_that_somebody_else_took_is_lost(bus):
    async with Lease(bus, "poller", "one").hold() as lease:
        await bus.link.request(lease._subject, b'{"mark": "another"}')
        await until(lease.lost.is_set, "the loss to be noticed")
        assert not lease.held


async def test_it_can_be_had_again_after_its_loss(bus):
    lease = Lease(bus, "poller", "one")
    async with lease.hold():
        await bus.link.request(lease._subject, b'{"mark": "another"}', headers={"Nats-TTL": "1"})
        await until(lease.lost.is_set, "the loss to be noticed")
    async with lease.hold():
        assert (True, False) == (lease.held, lease.lost.is_set())


async def test_waiting_for_it_outlives_an_outage(nats, own_bus, copies):
    nats.kill()
    one = copies(own_bus, "one")
    await asyncio.sleep(0.5)
    nats.start()
    await until(lambda: one.active, "the lease")
