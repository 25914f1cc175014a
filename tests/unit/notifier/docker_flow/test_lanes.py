"""Delivery: what is told to whom, once, and in which order (swarmlistener_test.go's questions, and restarts)."""

import asyncio
from dataclasses import replace

import pytest

from services.notifier.docker_flow import lanes as lanes_module
from tests.unit.notifier.docker_flow.lanes_scene import WEB, scene
from tests.unit.notifier.docker_flow.scenes import news_of
from tests.waiting import until

TWO = {
    "DF_NOTIFY_CREATE_SERVICE_URL": "http://one/create,http://two/create",
    "DF_NOTIFY_REMOVE_SERVICE_URL": "http://one/remove,http://two/remove",
}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(lanes_module, "pause_s", lambda *_: 0.001)
    monkeypatch.setattr(lanes_module, "STORE_RETRY_S", 0.001)


@pytest.fixture
def long_waits(monkeypatch):
    monkeypatch.setattr(lanes_module, "pause_s", lambda *_: 1000.0)


# Once.


async def test_what_is_new_is_told_once_and_noted():
    async with scene() as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.tell(news_of())
        assert ["create"] == made.verbs()


async def test_what_is_gone_is_removed_and_forgotten():
    async with scene() as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.gone()
        await until(lambda: not made.kept, "the removal")
        assert (["create", "remove"], set()) == (made.verbs(), made.lanes.known())


async def test_what_was_told_before_a_restart_is_not_told():
    async with scene() as first:
        first.tell(news_of())
        await until(first.all_sure, "the note")
    async with scene(first.kept) as second:
        second.tell(news_of())
        await asyncio.sleep(0)
        assert [] == second.asked


async def test_what_was_removed_while_nothing_ran_is_told_as_gone():
    async with scene() as first:
        first.tell(news_of())
        await until(first.all_sure, "the note")
    async with scene(first.kept) as second:
        second.lanes.look(second.lanes.known())
        await until(lambda: not second.kept, "the removal")
        assert ["remove"] == second.verbs()


async def test_what_was_in_flight_at_a_crash_is_told_again():
    async with scene() as first:
        first.gates["proxy:8080"] = asyncio.Event()
        first.tell(news_of())
        await until(lambda: first.asked, "the request")
    async with scene(first.kept) as second:
        second.tell(news_of())
        await until(second.all_sure, "the note")
        assert ["create"] == second.verbs()


async def test_what_was_in_flight_at_a_crash_and_is_gone_since_is_removed():
    async with scene() as first:
        first.gates["proxy:8080"] = asyncio.Event()
        first.tell(news_of())
        await until(lambda: first.asked, "the request")
    async with scene(first.kept) as second:
        second.lanes.look(second.lanes.known())
        await until(lambda: not second.kept, "the removal")


async def test_what_is_created_anew_is_removed_before_it_is_told():
    async with scene() as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.tell(replace(news_of(), identity="another"))
        await until(lambda: len(made.asked) == 3 and made.all_sure(), "both")
        assert ["create", "remove", "create"] == made.verbs()


async def test_asked_for_again_it_is_told_again():
    async with scene() as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.lanes.look([WEB], again=True)
        await until(lambda: made.verbs() == ["create", "create"], "the second")


async def test_asked_for_again_before_it_may_be_told_it_is_told_then():
    async with scene() as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.tell(replace(news_of(), is_ready=False))
        made.lanes.look([WEB], again=True)
        made.tell(news_of())
        await until(lambda: made.verbs() == ["create", "create"], "the second")


# Who.


async def test_all_receivers_are_told():
    async with scene(**TWO) as made:
        made.tell(news_of())
        await until(lambda: len(made.kept) == 2 and made.all_sure(), "both")
        assert {"one", "two"} == {host for host, *_ in made.asked}


async def test_a_service_chooses_its_receivers():
    async with scene(**TWO) as made:
        made.tell(news_of(notifyService="two"))
        await until(made.all_sure, "the note")
        assert ["two"] == [host for host, *_ in made.asked]


async def test_who_is_chosen_no_more_is_told_that_it_is_gone():
    async with scene(**TWO) as made:
        made.tell(news_of(notifyService="two"))
        await until(made.all_sure, "the note")
        made.tell(news_of(notifyService="one"))
        await until(lambda: len(made.asked) == 3, "the change")
        assert {("two", "remove"), ("one", "create")} == {asked[:2] for asked in made.asked[1:]}


async def test_an_empty_choice_is_none():
    async with scene(**TWO) as made:
        made.tell(news_of(notifyService=""))
        await until(lambda: len(made.kept) == 2 and made.all_sure(), "both")


async def test_a_receiver_of_removals_alone_is_told_of_these():
    only = {"DF_NOTIFY_CREATE_SERVICE_URL": "", "DF_NOTIFY_REMOVE_SERVICE_URL": "http://one/remove"}
    async with scene(**only) as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.gone()
        await until(lambda: made.verbs() == ["remove"], "the removal")


async def test_a_receiver_that_hangs_delays_no_other():
    async with scene(**TWO) as made:
        made.gates["one"] = asyncio.Event()
        for number in range(3):
            made.tell(news_of(f"web{number}"))
        await until(lambda: len(made.queries("two")) == 3, "the other")


async def test_a_receiver_has_a_bounded_number_of_requests():
    async with scene() as made:
        made.gates["proxy:8080"] = asyncio.Event()
        for number in range(lanes_module.IN_FLIGHT_MAX + 5):
            made.tell(news_of(f"web{number}"))
        await until(lambda: len(made.asked) >= lanes_module.IN_FLIGHT_MAX, "the requests")
        assert lanes_module.IN_FLIGHT_MAX == len(made.asked)


# Order.


async def test_of_rapid_changes_the_newest_is_told_after_the_one_in_flight():
    async with scene() as made:
        gate = made.gates["proxy:8080"] = asyncio.Event()
        made.tell(news_of(replicas=1))
        await until(lambda: made.asked, "the first")
        for replicas in (2, 3, 4):
            made.tell(news_of(replicas=replicas))
        gate.set()
        await until(lambda: len(made.asked) == 2 and made.all_sure(), "the last")
        assert ["replicas=1", "replicas=4"] == [query.split("&")[1] for query in made.queries()]


async def test_what_comes_and_goes_while_one_is_in_flight_ends_as_it_is():
    async with scene() as made:
        gate = made.gates["proxy:8080"] = asyncio.Event()
        made.tell(news_of())
        await until(lambda: made.asked, "the first")
        made.gone()
        made.tell(news_of(port="80"))
        made.gone()
        gate.set()
        await until(lambda: not made.kept, "the end")
        assert ["create", "remove"] == made.verbs()


@pytest.mark.usefixtures("long_waits")
async def test_a_change_does_not_wait_for_the_next_try_of_what_was_before():
    async with scene() as made:
        made.answers = lambda _: "down"
        made.tell(news_of(replicas=1))
        await until(lambda: made.asked, "the first")
        made.answers = lambda _: None
        made.tell(news_of(replicas=2))
        await until(made.all_sure, "the second")
        assert 2 == len(made.asked)
