"""A service that is asked for before its event: looked up within bounds."""

import asyncio
from typing import Any

import pytest

from funswarm.errors import Unavailable
from services.poller import looking
from services.poller.known import Known
from services.poller.looking import PLACES, Looking
from tests.builders import a_service


class FakeEngine:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def service_json(self, name):
        self.asked.append(name)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def known():
    return Known()


@pytest.fixture
def look_on(known):
    """A function: what looks on an engine with that answer, and reads what is wanted into `known`."""
    return lambda engine: Looking(engine, known, lambda key: known.put(a_service("web"))).look


async def test_one_that_is_there_is_read_and_waited_for(look_on, known):
    await look_on(FakeEngine({"ID": "service-web"}))("web")
    assert known.get(("service", "service-web")) == a_service("web")


@pytest.mark.parametrize("answer", [None, Unavailable("the engine is away")])
async def test_one_that_is_not_there_or_cannot_be_asked_for_is_not_waited_for(look_on, known, answer):
    await look_on(FakeEngine(answer))("web")
    assert 0 == len(known)


async def test_the_wait_is_bounded(known, monkeypatch):
    monkeypatch.setattr(looking, "WAIT_S", 0.02)
    engine: Any = FakeEngine({"ID": "other"})
    await Looking(engine, known, lambda key: None).look("other")
    assert ["other"] == engine.asked


async def test_no_more_are_looked_for_at_once_than_there_are_places(look_on):
    engine = FakeEngine(None)
    look = look_on(engine)
    await asyncio.gather(*(look(f"web{number}") for number in range(PLACES + 20)))
    assert PLACES == len(engine.asked)


async def test_a_place_is_free_again_after_its_time(look_on, monkeypatch):
    monkeypatch.setattr(looking, "HOLD_S", 0)
    engine = FakeEngine(None)
    look = look_on(engine)
    for number in range(PLACES + 1):
        await look(f"web{number}")
        await asyncio.sleep(0.01)
    assert PLACES + 1 == len(engine.asked)
