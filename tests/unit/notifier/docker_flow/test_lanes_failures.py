"""Delivery on bad days: notifier_test.go's retries, and giving up, dead letters, NATS away."""

import asyncio

import pytest

from funswarm.errors import PermanentError, Unavailable
from services.notifier.docker_flow import lanes as lanes_module
from services.notifier.docker_flow.lanes import pause_s
from tests.unit.notifier.docker_flow.lanes_scene import WEB, Scene, scene
from tests.unit.notifier.docker_flow.scenes import news_of, read, settings
from tests.waiting import until


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(lanes_module, "pause_s", lambda *_: 0.001)
    monkeypatch.setattr(lanes_module, "STORE_RETRY_S", 0.001)


async def test_what_fails_is_tried_again():
    async with scene(DF_RETRY="2") as made:
        failures = ["status 404"]
        made.answers = lambda _: failures.pop() if failures else None
        made.tell(news_of())
        await until(made.all_sure, "the note")
        assert ["create", "create"] == made.verbs()


@pytest.mark.parametrize(("retries", "interval", "tries"), [("2", "1", 3), ("0", "1", 1), ("5", "0", 1)])
async def test_after_all_tries_it_is_a_dead_letter(retries, interval, tries):
    async with scene(DF_RETRY=retries, DF_RETRY_INTERVAL=interval) as made:
        made.answers = lambda _: "status 500"
        made.tell(news_of())
        await until(lambda: made.buried, "the dead letter")
        ((name, url, reason),) = made.buried
        assert (tries, "web", True) == (len(made.asked), name, "status 500" in reason)
        assert url.startswith("http://proxy:8080/v1/docker-flow-proxy/reconfigure?distribute=true")


async def given_up(made: Scene) -> None:
    made.answers = lambda _: "status 500"
    made.tell(news_of())
    await until(lambda: made.buried, "the dead letter")
    made.answers = lambda _: None
    made.asked.clear()


async def test_what_was_given_up_is_not_told_for_no_reason():
    async with scene(DF_RETRY="0") as made:
        await given_up(made)
        made.tell(news_of())
        await asyncio.sleep(0.01)
        assert [] == made.asked


async def test_what_was_given_up_is_told_when_it_changes():
    async with scene(DF_RETRY="0") as made:
        await given_up(made)
        made.tell(news_of(port="80"))
        await until(made.all_sure, "the note")


async def test_what_was_given_up_is_told_when_it_is_as_it_was():
    async with scene(DF_RETRY="0") as made:
        await given_up(made)
        made.tell(news_of(port="80"))
        await until(made.all_sure, "the note")
        made.tell(news_of())
        await until(lambda: len(made.asked) == 2, "the old one again")


async def test_what_was_given_up_is_told_when_asked_for():
    async with scene(DF_RETRY="0") as made:
        await given_up(made)
        made.lanes.look([WEB], again=True)
        await until(made.all_sure, "the note")


async def test_what_was_given_up_and_goes_is_removed():
    async with scene(DF_RETRY="0") as made:
        await given_up(made)
        made.gone()
        await until(lambda: not made.kept, "the removal")
        assert ["remove"] == made.verbs()


async def test_a_removal_that_was_given_up_is_told_when_asked_for():
    async with scene(DF_RETRY="0") as made:
        made.tell(news_of())
        await until(made.all_sure, "the note")
        made.answers = lambda _: "status 500"
        made.gone()
        await until(lambda: made.buried, "the dead letter")
        made.answers = lambda _: None
        made.lanes.look(made.lanes.known(), again=True)
        await until(lambda: not made.kept, "the removal")


async def test_what_nats_does_not_take_now_is_noted_later():
    async with scene() as made:
        made.store_fails = [Unavailable("NATS is away")] * 3
        made.tell(news_of())
        await until(made.all_sure, "the note")
        assert ["create"] == made.verbs()


async def test_nothing_is_told_before_it_is_noted():
    async with scene() as made:
        made.store_fails = [Unavailable("NATS is away")] * 1_000_000
        made.tell(news_of())
        await until(lambda: len(made.store_fails) < 1_000_000 - 3, "tries to note")
        assert [] == made.asked


async def test_another_copy_that_writes_ends_the_delivery():
    made = Scene(settings(), {})
    made.store_fails = [PermanentError("wrong last sequence")]
    made.tell(news_of())
    with pytest.raises(PermanentError):
        await made.lanes.run()


# Pauses.


@pytest.mark.parametrize(("failures", "least"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (50, 60)])
def test_pauses_grow_up_to_the_most(failures, least):
    assert least <= pause_s(read(), failures) <= least * 1.25


def test_a_pause_is_never_shorter_than_the_interval():
    assert 600 <= pause_s(read(DF_RETRY_INTERVAL="600"), 1) <= 750
