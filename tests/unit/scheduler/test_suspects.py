"""What ends the scheduler's process is found out, noted and given up; what only was there is not."""

import pytest

from services.scheduler.suspects import Deadly, Suspects
from tests.unit.scheduler.fakes import FakeDelivery, FakeStore, Killed

MAX = 5


def delivery(inherited: int) -> FakeDelivery:
    return FakeDelivery(7, "s", b"", inherited=inherited)


async def try_it(store: FakeStore, inherited: int, *, reading: bool = False, dies: bool = False) -> None:
    suspects = Suspects(store, MAX)
    try:
        async with suspects.trying(delivery(inherited), reading=reading):
            if dies:
                store.before = _dead
                raise Killed
    finally:
        store.before = lambda _: None


def _dead(_: str) -> None:
    raise Killed


@pytest.mark.parametrize("inherited", [0, 1])
async def test_what_was_not_in_hand_at_two_take_overs_costs_no_note(inherited):
    store = FakeStore()
    await try_it(store, inherited)
    assert {} == store.deaths_of


async def test_what_comes_back_from_its_try_is_no_suspect_any_more():
    store = FakeStore(deaths_of={7: 2})
    await try_it(store, 4)
    assert {7: 0} == store.deaths_of


async def test_to_have_been_read_says_nothing_of_the_try():
    store = FakeStore(deaths_of={7: 2})
    await try_it(store, 4, reading=True)
    assert {7: 2} == store.deaths_of


async def test_what_kills_is_given_up_at_the_delivery_after_the_last():
    store, deliveries = FakeStore(), 0
    with pytest.raises(Deadly, match="at each of 5 deliveries"):
        while True:
            with pytest.raises(Killed):
                await try_it(store, deliveries, dies=True)
            deliveries += 1
    assert MAX == deliveries
