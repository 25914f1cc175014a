"""Following the feed: what is told on, what is said where it cannot be followed, and that it begins anew."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from funswarm.changes import Item, SnapshotEnd, Snapshotted
from funswarm.errors import PermanentError
from services.scheduler.fold import Services
from services.scheduler.metrics import Metrics
from services.scheduler.view import View
from tests.builders import a_service
from tests.waiting import until

SNAPSHOT = (Snapshotted(a_service("web")), SnapshotEnd(1))


class FakeClient:
    """Gives out feeds: of the items of each, then its error, or else nothing more."""

    def __init__(self, *feeds: tuple[Item | Exception, ...]) -> None:
        self._feeds = list(feeds)

    async def changes(self, kinds: list[str]) -> AsyncGenerator[Item, None]:
        assert kinds == ["service"]
        for item in self._feeds.pop(0):
            if isinstance(item, Exception):
                raise item
            yield item
        await asyncio.Event().wait()


class Following:
    def __init__(self, client: Any) -> None:
        self.services, self.troubles, self.touched = Services(), dict[str, str](), list[set[str]]()
        self.faults: list[Exception] = []
        self.view = View(client, self.services, Metrics(), self.troubles)

    async def run(self) -> None:
        await self.view.run(self._touch)

    def _touch(self, touched: set[str]) -> None:
        if self.faults:
            raise self.faults.pop()
        self.touched.append(touched)


@asynccontextmanager
async def following(*feeds: tuple[Item | Exception, ...]):
    scene = Following(FakeClient(*feeds))
    task = asyncio.create_task(scene.run())
    try:
        yield scene
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr("services.scheduler.view.RETRY_S", 0.001)


async def test_who_waits_for_services_is_told_what_changed():
    async with following(SNAPSHOT) as scene:
        await until(lambda: scene.touched == [{"web", "service-web"}], "the snapshot")


async def test_a_feed_that_cannot_be_followed_is_said():
    async with following((PermanentError("no permission"),)) as scene:
        await until(lambda: "no permission" in scene.troubles.get("view", ""), "the trouble")


@pytest.mark.usefixtures("no_waits")
async def test_a_feed_that_ended_begins_anew():
    async with following((*SNAPSHOT, PermanentError("no permission")), SNAPSHOT) as scene:
        await until(lambda: len(scene.touched) == 2, "the second snapshot")
        assert ({}, True) == (scene.troubles, scene.services.complete)


@pytest.mark.usefixtures("no_waits")
async def test_a_fault_of_ours_ends_no_following():
    async with following(SNAPSHOT, SNAPSHOT) as scene:
        scene.faults.append(RuntimeError("a bug"))
        await until(lambda: scene.touched, "the second snapshot")


async def test_who_follows_no_more_has_no_complete_view():
    async with following(SNAPSHOT) as scene:
        await until(lambda: scene.services.complete, "the snapshot")
    assert not scene.services.complete
