"""What the scheduler keeps on NATS, and when it must look there: against a real nats-server."""

from datetime import UTC, datetime

import pytest

from funswarm.messages import Convergence, ConvergenceStatus, Result, ResultStatus
from services.scheduler import pendings
from services.scheduler import store as stores
from services.scheduler.plan import Intent
from services.scheduler.ports import Superseded
from services.scheduler.store import NatsStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_result(command_id, how=None):
    done = {"verb": "scale", "target": "web", "status": ResultStatus.SUCCEEDED, "finished_at": NOW}
    convergence = None if how is None else Convergence(status=how)
    return Result(command_id=command_id, convergence=convergence, **done)


PENDING, CONVERGED = ConvergenceStatus.PENDING, ConvergenceStatus.CONVERGED


@pytest.fixture
async def opened(bus):
    async def open_store():
        store = NatsStore(bus, lambda: True)
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


async def pending_in(store):
    return [result.command_id async for result in store.pending()]


async def noted(bus):
    """From which place on the next copy looks for those that are pending."""
    note = await bus.newest(bus.subjects.results_stream, bus.subjects.intent("@pending"))
    return int(note.body.split()[0])


async def place_of(bus, command_id):
    return (await bus.newest(bus.subjects.results_stream, bus.subjects.result(command_id))).sequence


@pytest.fixture
def noting_all(monkeypatch):
    monkeypatch.setattr(pendings, "NOTE_EVERY", 1)


async def test_what_is_pending_is_found_behind_any_number_of_newer_results(opened, bus, noting_all):
    store = await opened()
    assert [] == await pending_in(store)
    await store.store(a_result("old", PENDING))
    for number in range(20):
        await store.store(a_result(f"new-{number}"))
    assert 1 < await noted(bus) <= await place_of(bus, "old")
    assert ["old"] == await pending_in(await opened())


async def test_what_has_settled_is_not_looked_through_again(opened, bus, noting_all):
    store = await opened()
    assert [] == await pending_in(store)
    await store.store(a_result("old", PENDING))
    await store.settle(a_result("old", CONVERGED))
    assert await noted(bus) > await place_of(bus, "old")


async def test_what_was_pending_under_two_copies_before_is_found(opened, noting_all):
    first = await opened()
    assert [] == await pending_in(first)
    await first.store(a_result("old", PENDING))
    second = await opened()
    assert ["old"] == await pending_in(second)
    await second.store(a_result("new", PENDING))
    assert ["old", "new"] == await pending_in(await opened())


async def test_a_copy_that_died_before_it_knew_all_forgets_none(opened, noting_all):
    first = await opened()
    assert [] == await pending_in(first)
    await first.store(a_result("old", PENDING))
    second = await opened()  # and it never looks for those that are pending
    await second.store(a_result("new"))
    assert ["old"] == await pending_in(await opened())


async def test_a_copy_that_was_frozen_does_not_move_the_note_of_its_successor(opened, noting_all):
    frozen, successor = await opened(), await opened()
    assert [] == await pending_in(frozen)
    assert [] == await pending_in(successor)
    await successor.store(a_result("old", PENDING))
    await frozen.store(a_result("late"))
    assert ["old"] == await pending_in(await opened())


async def test_who_is_no_longer_active_keeps_nothing(bus):
    store = NatsStore(bus, lambda: False)
    await store.open()
    with pytest.raises(Superseded):
        await store.store(a_result("c1"))
    assert await store.find("c1") is None


async def test_who_was_frozen_sees_what_its_successor_was_about_to_do(bus, opened):
    is_active = True
    frozen = NatsStore(bus, lambda: is_active)
    await frozen.open()
    is_active = False
    successor, intent = await opened(), Intent(service_id="s1", version=7)
    await successor.note("c1", intent)
    assert intent == await frozen.intent("c1")
