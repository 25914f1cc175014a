"""The poller where NATS is away, full, read-only, slow, or refuses: said in the health, and healed."""

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import nats
import pytest
from nats.js.errors import APIError

from services.bus.journal import Journal, Outgoing
from tests.pollers import World, world
from tests.servers import NatsServer, nats_server

USERS = """
accounts {{ F {{ jetstream: {{ max_file: {store} }}, users: [
  {{ user: poller, password: p, permissions: {{ publish: {{ deny: "{denied}" }} }} }}
  {{ user: test, password: t }}
] }} }}
"""
ALLOWED = USERS.format(store="400MB", denied="nothing")
REFUSED = USERS.format(store="400MB", denied="limited.event.>")


@asynccontextmanager
async def limited(folder, extra: str):
    """A NATS with users of its own: the poller's may be refused, and there is an end to its storage."""
    small: dict[str, Any] = {"events_max_bytes": 10**6, "results_max_bytes": 10**6, "audit_max_bytes": 10**6}
    with nats_server(folder, extra) as server:
        async with world(server.url, user="test", password="t", prefix="limited", **small) as swarm:
            swarm.poller_nats = replace(swarm.nats, user="poller", password="p")
            yield server, swarm


@pytest.fixture
def server(tmp_path):
    with nats_server(tmp_path) as one:
        yield one


@pytest.fixture
async def swarm(server: NatsServer):
    async with world(server.url) as one:
        yield one


async def test_files_that_nats_cannot_write_are_said_and_heal(swarm: World, server: NatsServer):
    """As on a disk that is read-only, or full: NATS answers no write then, until it is restarted with room."""
    async with swarm.poller():
        await swarm.active()
        server.freeze_files()
        await swarm.create("web", replicas=1)
        await swarm.said("NATS answers, but does not store the lease of poller: are its files full or read-only?")
        (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)
        assert b'funswarm_poller_trouble{instance="poller-1",place="lease"} 1.0' in metrics

        server.kill()
        server.start()
        await swarm.seen("service", "web", "created")
        await swarm.right()
        await swarm.well()


async def test_a_write_that_nats_does_not_answer_is_said(swarm: World, monkeypatch):
    monkeypatch.setattr("services.poller.publisher.SLOW_S", 0.1)
    answered, write = asyncio.Event(), Journal.write

    async def slow(journal: Journal, messages: Sequence[Outgoing]) -> int:
        await answered.wait()
        return await write(journal, messages)

    monkeypatch.setattr(Journal, "write", slow)
    async with swarm.poller():
        await swarm.said("NATS takes long to store what is published (events)")
        answered.set()
        await swarm.well()
        await swarm.right()


async def test_the_feed_goes_on_after_nats_was_away(swarm: World, server: NatsServer):
    async with swarm.poller():
        await swarm.active()
        server.kill()
        service_id = await swarm.create("web", replicas=2)
        await swarm.create("gone", replicas=1)
        await swarm.scale(service_id, 3)
        server.start()
        await swarm.seen("service", "gone", "created")
        await swarm.right()


async def test_a_refused_publish_is_said_and_heals(tmp_path):
    async with limited(tmp_path, REFUSED) as (server, swarm), swarm.poller():
        reason = await swarm.said("refuses")
        assert "limited.event." in reason
        assert "user poller" in reason

        server.reload(ALLOWED)
        await swarm.right()
        await swarm.well()


async def test_a_full_store_is_said_and_heals(tmp_path):
    async with limited(tmp_path, ALLOWED) as (server, swarm), swarm.poller():
        await swarm.right()
        junk = await nats.connect(server.url, user="test", password="t")
        await junk.jetstream().add_stream(name="JUNK", subjects=["junk"])
        for size in (1_000_000, 10_000, 100):
            with suppress(APIError):
                while True:
                    await junk.jetstream().publish("junk", b"x" * size)
        await swarm.create("web", replicas=2)
        reason = await swarm.said("LIMITED_")
        assert "NATS says" in reason

        await junk.jetstream().delete_stream("JUNK")
        await junk.close()
        await swarm.right()
        await swarm.well()
