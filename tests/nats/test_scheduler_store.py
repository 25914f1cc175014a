"""What the scheduler keeps on NATS, and when it must look there: against a real nats-server."""

from datetime import UTC, datetime

import pytest

from funswarm.messages import Result, ResultStatus
from services.scheduler import store as stores
from services.scheduler.plan import Intent
from services.scheduler.store import NatsStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_result(command_id):
    done = {"verb": "scale", "target": "web", "status": ResultStatus.SUCCEEDED, "finished_at": NOW}
    return Result(command_id=command_id, **done)


@pytest.fixture
async def opened(bus):
    async def open_store():
        store = NatsStore(bus)
        await store.open()
        return store

    return open_store


@pytest.fixture
def looks(bus, monkeypatch):
    """The subjects that were asked for."""
    asked, last = [], bus.last

    async def noted(stream, subject):
        asked.append(subject)
        return await last(stream, subject)

    monkeypatch.setattr(bus, "last", noted)
    return asked


async def test_a_command_that_nobody_has_seen_needs_no_look(opened, looks):
    store = await opened()
    assert await store.find("new") is None
    assert await store.intent("new") is None
    assert [] == looks


async def test_what_an_earlier_copy_stored_is_found(opened):
    before = await opened()
    await before.store(a_result("old"))
    await before.note("half", Intent(service_id="s1", version=7))
    store = await opened()
    assert a_result("old") == await store.find("old")
    assert 7 == (await store.intent("half")).version


async def test_what_this_copy_stored_is_found(opened):
    store = await opened()
    await store.store(a_result("mine"))
    assert "mine" == (await store.find("mine")).command_id


async def test_a_store_that_keeps_more_than_can_be_known_looks_each_time(opened, looks, monkeypatch):
    await (await opened()).store(a_result("old"))
    monkeypatch.setattr(stores, "KEPT_MAX", 0)
    store = await opened()
    assert await store.find("new") is None
    assert 1 == len(looks)


async def test_a_store_that_grows_beyond_what_can_be_known_looks_again(opened, looks, monkeypatch):
    monkeypatch.setattr(stores, "KEPT_MAX", 1)
    store = await opened()
    await store.store(a_result("first"))
    await store.store(a_result("second"))
    assert await store.find("new") is None
    assert 1 == len(looks)
