"""Frames of several schedulers on one NATS, each of which takes itself for the active one."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from funswarm.changes import Item, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.client import Client
from funswarm.commands import Command, ScaleCommand
from funswarm.errors import Unavailable
from funswarm.gauges import Push
from funswarm.messages import Result
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.scheduler.metrics import Metrics
from services.scheduler.policies.asked import asked_of
from services.scheduler.policies.contract import Sent
from services.scheduler.policies.frame import Frame
from services.scheduler.policies.record import Record
from services.scheduler.policies.start import frame_of
from services.scheduler.policies.telling import Telling
from services.scheduler.policies.world import Known
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import NatsStore
from tests.builders import a_service
from tests.floors import Floor, a_result
from tests.nats.test_policies import memory_of
from tests.waiting import until

WEB = a_service(labels={"funswarm.floor": "3"})


class Scheduler:
    """A frame whose commands go into a list."""

    def __init__(self, bus: Bus, client: Client, **policy) -> None:
        self.sent: list[Command] = []
        self.results: dict[str, Result] = {}
        self.metrics = Metrics()
        policies = (type("Policy", (Floor,), policy)(),)
        world = Known(lambda service, draining: asked_of(service, policies, draining=draining))
        self.troubles: dict[str, str] = {}
        self.frame = Frame(
            PolicyBucket(bus), policies, Telling(bus, world, ["policies", "floor"], self.metrics), world, self.metrics,
            submit=self._submit, find=self._find, tasks=lambda _: client.changes(kinds=["task", "node"]),
            is_active=lambda: True, troubles=self.troubles,
        )  # fmt: skip

    def sees(self, *services) -> None:
        items: list[Item] = [SnapshotBegin(), *map(Snapshotted, services), SnapshotEnd(1)]
        for item in items:
            self.frame.take(item)

    @asynccontextmanager
    async def at_work(self):
        work = asyncio.create_task(self.frame.run())
        yield self
        work.cancel()
        await asyncio.wait({work})

    async def _submit(self, command) -> None:
        self.sent.append(command)

    async def _find(self, command_id):
        return self.results.get(command_id)


async def test_two_that_decide_at_once_ask_for_one_command(bus, client):
    one, two = Scheduler(bus, client), Scheduler(bus, client)
    async with one.at_work(), two.at_work():
        one.sees(WEB)
        two.sees(WEB)
        await until(lambda: one.sent and two.sent, "both to have sent it")
    assert 1 == len({command.id for command in one.sent + two.sent})
    assert 1 == (await memory_of(bus))["raised"]


async def test_one_that_was_followed_by_another_goes_on_from_what_that_one_remembers(bus, client):
    old, new = Scheduler(bus, client), Scheduler(bus, client)
    async with old.at_work():
        old.sees(WEB)
        await until(lambda: old.sent, "its command")
        async with new.at_work():
            new.sees(WEB)
            await until(lambda: new.sent, "the command of before, once more")
            before = await until(lambda: _looked(bus, 1), "the memory of the other")
        old.sees(WEB)  # its write is over one that is not there any more
        await until(lambda: _looked(bus, before + 1), "the memory on top of that")
    assert (1, 1) == (len({command.id for command in old.sent + new.sent}), (await memory_of(bus))["raised"])


async def _looked(bus: Bus, least: int) -> int:
    """How often it looked, if so often at least; else 0."""
    looked: int = (await memory_of(bus))["looked"]
    return looked if looked >= least else 0


async def test_a_service_that_went_while_nobody_looked_is_forgotten_though_its_memory_is_read_before_the_services(
    bus, client
):
    first, second = Scheduler(bus, client), Scheduler(bus, client)
    async with first.at_work():
        first.sees(WEB)
        await until(lambda: first.sent, "its memory, and the command that follows")
    async with second.at_work():
        await until(lambda: "web" in second.frame._book and not second.frame._queue, "the first look")
        second.sees()

        async def forgotten() -> bool:
            return not await PolicyBucket(bus).memories()

        await until(forgotten, "its end", 60)


async def test_where_the_bucket_is_gone_that_is_told(own_bus):
    scheduler = Scheduler(own_bus, Client(own_bus.settings.url))
    await own_bus.request(f"$JS.API.STREAM.DELETE.KV_{own_bus.subjects.policies_bucket}", b"", 60)
    async with scheduler.at_work():
        await until(lambda: scheduler.troubles, "the trouble")
    assert "policies do not work" in scheduler.troubles["policies"]


async def test_problems_that_were_solved_while_nobody_looked_are_taken_back(bus, client):
    first = Scheduler(bus, client)
    async with first.at_work():
        first.sees(a_service(labels={"funswarm.floor": "three"}))

        async def told():
            return (await client.health()).problems

        await until(told, "the problem")
    second = Scheduler(bus, client)
    async with second.at_work():
        second.sees(a_service(labels={"funswarm.floor": "3"}))

        async def solved():
            return not await told()

        await until(solved, "no problem")


async def test_the_stack_s_own_user_may_do_all_that_policies_need(secured):
    bus = await secured("scheduler")
    settings = bus.settings
    async with (
        Client(settings.url, user="scheduler", password=settings.password) as own,
        Client(settings.url, user="client", password="p-client") as client,
    ):
        scheduler = Scheduler(bus, own, needs_tasks=True)

        async def told():
            return (await client.decisions("web")).items

        async with scheduler.at_work():
            scheduler.sees(WEB, a_service("db", labels={"funswarm.floor": "no number"}))
            assert 1 == len(await until(told, "the decision"))
    assert (1, {}) == (len(scheduler.sent), scheduler.troubles)


async def test_looks_at_many_let_all_else_have_its_turn(bus, client, monkeypatch):
    looked: list[str] = []

    async def look(name: str) -> None:
        looked.append(name)

    frame = Scheduler(bus, client).frame
    monkeypatch.setattr(frame, "_look", look)
    frame._queue.touch(str(number) for number in range(1000))
    work = asyncio.create_task(frame._work())
    for _ in range(3):
        await asyncio.sleep(0)
    work.cancel()
    assert len(looked) < 1000


async def test_before_the_services_are_known_it_says_of_none_that_it_is_not_autoscaled(bus, client):
    store, settings = NatsStore(bus, lambda: True), SchedulerSettings("scheduler-1", "1")
    frame = frame_of(
        bus, store, client, settings, metrics=Metrics(), is_active=lambda: True, troubles={}
    )  # fmt: skip

    async def answer() -> str:
        try:
            await client.push("web", Push(value=1))
        except Unavailable as error:
            return "" if "no active scheduler" in str(error) else str(error)
        raise AssertionError("it was taken")

    work = asyncio.create_task(frame.run())
    try:
        assert "does not know yet how web is autoscaled" in await until(answer, "an answer")
    finally:
        work.cancel()
        await asyncio.wait({work})


async def test_a_result_that_it_was_not_told_of_is_found_after_the_deadline(bus, client, monkeypatch):
    monkeypatch.setattr("services.scheduler.policies.evaluate.DEADLINE_S", -20.0)
    scheduler = Scheduler(bus, client)
    async with scheduler.at_work():
        scheduler.sees(WEB)
        await until(lambda: scheduler.sent, "the command")

        def found() -> bool:
            command = scheduler.sent[-1].id
            scheduler.results[command] = a_result(command)
            scheduler.frame.touch(["web"])
            return command in scheduler.frame._book.results

        await until(found, "the result")


async def test_while_one_command_is_not_answered_another_is_not_sent_again(bus, client):
    at = datetime.now(UTC)
    command = ScaleCommand(id="policy-unanswered", target="web", replicas=1)
    sent = {"shelf": Sent(key="1", command=command, at=at, until=at - timedelta(seconds=20))}
    record = Record(service="web", service_id=WEB.id, sent=sent)
    await PolicyBucket(bus).keep("web", record.model_dump_json().encode(), 0)
    scheduler = Scheduler(bus, client)
    async with scheduler.at_work():
        scheduler.sees(WEB)
        await until(lambda: scheduler.sent, "the command")
        scheduler.frame.touch(["web"])
        await until(lambda: _looked(bus, 1), "another look")
    assert 1 == len(scheduler.sent)
