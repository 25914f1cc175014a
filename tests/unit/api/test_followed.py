"""Following the Swarm: from when somebody asks, through lost feeds, and not for ever without news."""

import asyncio
from typing import Any

import pytest

from funswarm.changes import Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.errors import Unavailable
from services.api import followed
from services.api.followed import Followed
from tests.builders import a_node, a_service, a_task
from tests.nats.client_scene import a_changed
from tests.waiting import until

ENDED = object()


def snapshot(*states):
    return [SnapshotBegin(), *(Snapshotted(state) for state in (a_node(), *states)), SnapshotEnd(1)]


class Feed:
    """Gives what is put into it; ENDED: it breaks."""

    def __init__(self, items):
        self.coming: asyncio.Queue[Any] = asyncio.Queue()
        for item in items:
            self.coming.put_nowait(item)

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self.coming.get()
        if item is ENDED:
            raise Unavailable("NATS went away")
        return item

    async def next(self, timeout_s):
        try:
            return await asyncio.wait_for(anext(self), timeout_s)
        except TimeoutError:
            return None

    async def aclose(self):
        pass


class Client:
    """`feeds`: what each that is asked for begins with."""

    def __init__(self, *feeds):
        self.connected = True
        self.opened = []
        self._feeds = list(feeds)

    def changes(self, kinds):
        self.opened.append(Feed(self._feeds.pop(0) if self._feeds else []))
        return self.opened[-1]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name in ("FIRST_WAIT_S", "TICK_S", "RETRY_S"):
        monkeypatch.setattr(followed, name, 0.01)


@pytest.fixture
async def following():
    """A function: one that follows a client."""
    made = []

    def follow(client, **settings):
        made.append(Followed(client, **settings))
        return made[-1]

    yield follow
    for one in made:
        await one.close()


async def test_nothing_is_followed_before_somebody_asks(following):
    client = Client(snapshot())
    following(client)
    await asyncio.sleep(0)

    assert [] == client.opened


async def test_the_world_is_that_of_the_feed(following):
    client = Client(snapshot(a_service()))
    one = following(client)

    assert ["web"] == [service.name for service in (await one.world()).services.values()]
    assert 0.0 == one.behind_s


async def test_before_the_first_snapshot_it_is_not_known(following):
    with pytest.raises(Unavailable, match="not known yet"):
        await following(Client([SnapshotBegin()])).world()


async def test_a_swarm_that_the_poller_is_yet_to_tell_of_is_not_known(following):
    with pytest.raises(Unavailable, match="not known yet: the poller"):
        await following(Client([SnapshotBegin(), SnapshotEnd(0)])).world()


async def test_what_the_poller_then_tells_is_the_world(following):
    events = [a_changed(None, a_node()), a_changed(None, a_service())]
    one = following(Client([SnapshotBegin(), SnapshotEnd(0), *events]))

    assert ["web"] == [service.name for service in (await one.after(0, 60)).services.values()]


async def test_a_swarm_that_never_pauses_becomes_known(following, monkeypatch):
    monkeypatch.setattr(followed, "TICK_S", 60)
    monkeypatch.setattr(followed, "FILLING_MAX_S", 0)
    events = [a_changed(None, a_node()), a_changed(None, a_service())]

    assert await following(Client([SnapshotBegin(), SnapshotEnd(0), *events])).after(0, 60)


async def test_who_waits_gets_the_next_world(following):
    client = Client(snapshot(a_service()))
    one = following(client)
    world = await one.world()
    waiting = asyncio.ensure_future(one.after(world.revision, 60))
    client.opened[0].coming.put_nowait(a_changed(None, a_task()))

    assert world.revision < (await waiting).revision


async def test_a_feed_that_broke_is_opened_again(following):
    client = Client([*snapshot(a_service()), ENDED], snapshot(a_service("other")))
    one = following(client)
    await one.world()

    async def other():
        return [service.name for service in (await one.world()).services.values()] == ["other"]

    await until(other, "the second feed's world")


async def test_a_fault_of_ours_does_not_end_it(following):
    client = Client([object()], snapshot(a_service()))
    one = following(client)

    assert ["web"] == [service.name for service in (await one.after(0, 60)).services.values()]


@pytest.mark.parametrize("lost", [[ENDED], [Relisted("why")]])
async def test_what_was_known_last_is_given_for_a_while_with_its_age(following, lost):
    client = Client([*snapshot(a_service()), *lost])
    one = following(client, stale_max_s=0.2)
    world = await one.world()
    await until(lambda: one.behind_s, "an age")
    assert world is await one.world()

    async def too_old():
        try:
            await one.world()
        except Unavailable as error:
            return "s old" in str(error)

    await until(too_old, "it to be too old")


async def test_while_nats_is_away_the_age_grows(following):
    client = Client(snapshot(a_service()))
    one = following(client)
    await one.world()
    client.connected = False
    await until(lambda: one.behind_s, "an age")
    client.connected = True

    await until(lambda: one.behind_s == 0, "no age any more")
