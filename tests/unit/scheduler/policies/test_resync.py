"""The slow round over all services: in slices, so that those that are due wait for none of it."""

import asyncio
from typing import Any

import pytest

from services.scheduler.metrics import Metrics
from services.scheduler.policies.frame import RESYNC_AT_ONCE, RESYNC_S, Frame
from services.scheduler.policies.telling import Telling
from tests.builders import a_change, a_service
from tests.floors import a_world

SLICES = 3
NAMES = {f"web-{number}" for number in range(SLICES * RESYNC_AT_ONCE - 7)}


class Over(Exception):
    """The round is."""


def a_frame() -> Frame:
    """With all services followed; it never comes to its I/O."""
    world = a_world([a_service(name, labels={"funswarm.floor": "1"}) for name in NAMES])
    nothing: Any = None
    metrics = Metrics()
    return Frame(
        nothing, (), Telling(nothing, world, [], metrics), world, metrics,
        submit=nothing, find=nothing, tasks=nothing, is_active=lambda: True, troubles={},
    )  # fmt: skip


class Round:
    """One of a frame's; `slices`: whose turn it was after each time of waiting. `gone`: they go after the first."""

    def __init__(self, frame: Frame) -> None:
        self.waits: list[float] = []
        self.slices: list[set[str]] = []
        self.gone: set[str] = set()
        self._frame = frame

    async def sleep(self, delay_s: float) -> None:
        """In place of asyncio's: what was touched is taken out of the queue."""
        queue = self._frame._queue
        if self.waits:
            self.slices.append({queue._take() for _ in range(len(queue))})
        if len(self.waits) == SLICES:
            raise Over
        self.waits.append(delay_s)
        if len(self.waits) == 2:
            self.gone = {*sorted(self.slices[0])[:9], *sorted(NAMES - self.slices[0])[:9]}
            for name in self.gone:
                self._frame.take(a_change(a_service(name), None))


@pytest.fixture
async def one_round(monkeypatch) -> Round:
    frame = a_frame()
    made = Round(frame)
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    with pytest.raises(Over):
        await frame._resync()
    return made


async def test_all_services_have_their_turn_in_a_round_though_others_are_removed_meanwhile(one_round):
    assert NAMES - one_round.gone == set().union(*one_round.slices) - one_round.gone


async def test_none_has_two_turns_and_no_slice_is_larger_than_it_may_be(one_round):
    sizes = [len(names) for names in one_round.slices]
    assert sum(sizes) == len(set().union(*one_round.slices))
    assert max(sizes) <= RESYNC_AT_ONCE


async def test_what_was_removed_has_no_turn_any_more(one_round):
    assert set() == one_round.gone & set().union(*one_round.slices[1:])


async def test_a_round_takes_as_long_as_it_is_to(one_round):
    assert pytest.approx(RESYNC_S) == sum(one_round.waits)
