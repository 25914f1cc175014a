"""How many questions a burst of hints is worth, and what the answers do to the view. The engine is a fake."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from funswarm.state import AnyState
from services.poller.pacing import Cost
from services.poller.reader import Reader
from services.poller.view import View
from tests.builders import a_service
from tests.waiting import until


class FakeEngine:
    """Has `there`; each question is in `asked`."""

    def __init__(self, *names: str) -> None:
        self.there = {f"service-{name}": a_service(name) for name in names}
        self.asked: list[tuple[str, ...]] = []

    async def read(self, _: str, object_id: str) -> AnyState | None:
        self.asked.append((object_id,))
        await asyncio.sleep(0)
        return self.there.get(object_id)

    async def some(self, _kind: str, ids: Collection[str], _: Mapping[str, AnyState]) -> list[AnyState]:
        self.asked.append(tuple(ids))
        await asyncio.sleep(0)
        return [state for object_id, state in self.there.items() if object_id in ids]


@pytest.fixture
async def reading():
    """Starts a reader over an engine: (its view, hint)."""
    tasks = []

    def start(engine: FakeEngine) -> tuple[View, Any]:
        view = View(lambda _: None)
        link: Any = SimpleNamespace(engine=engine, answered=lambda: None)
        lists: Any = SimpleNamespace(costs={"service": Cost(0.02)})
        reader = Reader(link, view, lists)
        tasks.append(asyncio.create_task(reader.run()))
        return view, lambda name: reader.want(("service", f"service-{name}"))

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_single_hint_is_one_read(reading):
    engine = FakeEngine("web")
    view, hint = reading(engine)
    hint("web")
    await until(lambda: view.service("service-web"), "the service is read")
    assert [("service-web",)] == engine.asked


async def test_a_burst_of_hints_is_one_read_of_many(reading):
    engine = FakeEngine("a", "b", "c")
    view, hint = reading(engine)
    for name in engine.there:
        hint(name.removeprefix("service-"))
    await until(lambda: len(view.of("service")) == 3, "all are read")
    assert [("service-a", "service-b", "service-c")] == engine.asked


async def test_of_many_what_is_not_there_is_removed(reading):
    engine = FakeEngine("a", "b")
    view, hint = reading(engine)
    for name in "ab":
        hint(name)
    await until(lambda: len(view.of("service")) == 2, "both are read")
    del engine.there["service-a"]
    for name in "ab":
        hint(name)
    await until(lambda: view.service("service-a") is None, "it is seen to be gone")
    assert ["service-b"] == list(view.of("service"))
