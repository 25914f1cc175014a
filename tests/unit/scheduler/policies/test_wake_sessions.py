"""The sessions as the scheduler knows them: what begins is heard, and what looks over is asked for before it ends."""

import asyncio
from datetime import timedelta

import pytest

from funswarm.errors import Unavailable
from funswarm.sessions import Session
from services.bus.sessions import SessionBucket
from services.scheduler.policies import wake_sessions
from services.scheduler.policies.wake_sessions import SessionBook
from tests.floors import NOW
from tests.waiting import until


class Bucket(SessionBucket):
    """What NATS has; `away`: it does not answer."""

    def __init__(self):
        self.kept = {}
        self.away = False
        self.heard = None

    def put(self, service, lasts_s, *, told=True):
        session = Session(service=service, since=NOW, until=NOW + timedelta(seconds=lasts_s))
        self.kept[service] = session.model_dump_json().encode()
        if told and self.heard is not None:
            self.heard(service)

    async def all(self):
        self._check()
        return list(self.kept.values())

    async def newest(self, service):
        self._check()
        return self.kept.get(service)

    async def listen(self, heard):
        self.heard = heard
        return lambda: asyncio.sleep(0)

    def _check(self):
        if self.away:
            raise Unavailable("away")


class Running:
    """A book at work; `now` is its clock."""

    def __init__(self):
        self.bucket, self.now, self.touched = Bucket(), NOW, []
        self.book = SessionBook(self.bucket, lambda: self.now)

    def names(self):
        found = self.book.open()
        return None if found is None else {*found}

    async def work(self):
        await self.book.run(self.touched.append)


@pytest.fixture
async def running(monkeypatch):
    monkeypatch.setattr(wake_sessions, "SWEEP_S", 0.01)
    monkeypatch.setattr(wake_sessions, "STORED_S", 0.0)
    return Running()


@pytest.fixture
async def started(running):
    running.bucket.put("web", 60)
    work = asyncio.create_task(running.work())
    await until(lambda: running.names() == {"web"}, "the first reading")
    yield running
    work.cancel()
    await asyncio.wait({work})


async def test_before_they_are_read_nobody_knows(running):
    assert running.names() is None


async def test_those_that_are_open_are_read(started):
    assert [{"web"}] == started.touched


async def test_one_that_begins_is_heard_of(started):
    started.bucket.put("api", 60)
    await until(lambda: started.names() == {"web", "api"}, "the new one")
    assert {"api"} == started.touched[-1]


async def test_one_that_is_over_ends(started):
    started.now += timedelta(seconds=60)
    await until(lambda: started.names() == set(), "its end")
    assert {"web"} == started.touched[-1]


async def test_one_that_was_refreshed_unheard_goes_on(started):
    started.bucket.put("web", 300, told=False)
    started.now += timedelta(seconds=60)
    await until(lambda: started.book.open()["web"].until > started.now, "the refresh")
    assert not any("web" in names for names in started.touched[1:])


async def test_while_nats_is_away_nothing_ends(started):
    started.bucket.away = True
    started.now += timedelta(seconds=60)
    await asyncio.sleep(0.1)
    assert {"web"} == started.names()
    started.bucket.away = False
    await until(lambda: started.names() == set(), "its end")


async def test_who_watches_is_looked_at_with_each(started):
    started.book.watches("game")
    started.bucket.put("api", 60)
    await until(lambda: len(started.touched) > 1, "the new one")
    assert {"api", "game"} == started.touched[-1]
