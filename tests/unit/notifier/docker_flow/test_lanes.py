"""Delivery: notifier_test.go's retries and swarmlistener_test.go's order, and what happens on bad days."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from funswarm.errors import PermanentError, Unavailable
from services.notifier.docker_flow import lanes as lanes_module
from services.notifier.docker_flow.lanes import Lanes, Ports, pause_s
from services.notifier.docker_flow.metrics import DockerFlowMetrics
from services.notifier.docker_flow.news import News
from services.notifier.docker_flow.settings import Call, DockerFlowSettings
from services.notifier.docker_flow.store import Place
from services.notifier.docker_flow.told import Told, Verb
from services.notifier.docker_flow.view import Key
from tests.unit.notifier.docker_flow.scenes import news_of, read, settings
from tests.waiting import until

WEB: Key = ("service", "web")
TWO = {
    "DF_NOTIFY_CREATE_SERVICE_URL": "http://one/create,http://two/create",
    "DF_NOTIFY_REMOVE_SERVICE_URL": "http://one/remove,http://two/remove",
}


class Scene:
    """Lanes between a store and receivers that do as they are told. `asked`: (host, verb, query) of each request."""

    def __init__(self, settings: DockerFlowSettings, told: dict[Place, Told]) -> None:
        self.kept = dict(told)
        self.asked: list[tuple[str, Verb, str]] = []
        self.buried: list[tuple[str, str, str]] = []
        self.answers: Callable[[str], str | None] = lambda _: None
        self.gates: dict[str, asyncio.Event] = {}
        self.store_fails: list[Exception] = []
        self.news: dict[Key, News] = {}
        self.metrics = DockerFlowMetrics(CollectorRegistry())
        self.lanes = Lanes(settings, Ports(self, self, self.metrics), self.news.get, told)

    # The store.
    async def note(self, told: Told) -> None:
        if self.store_fails:
            raise self.store_fails.pop(0)
        self.kept[told.receiver, told.kind, told.name] = told

    async def forget(self, told: Told) -> None:
        del self.kept[told.receiver, told.kind, told.name]

    async def bury(self, name: str, url: str, reason: str) -> None:
        self.buried.append((name, url, reason))

    # The receivers.
    async def send(self, verb: Verb, call: Call, query: str) -> str | None:
        host = call.url.split("/")[2]
        self.asked.append((host, verb, query))
        if host in self.gates:
            await self.gates[host].wait()
        return self.answers(host)

    # The Swarm.
    def tell(self, news: News) -> None:
        self.news[news.kind, news.name] = news
        self.lanes.look([(news.kind, news.name)])

    def gone(self, key: Key = WEB) -> None:
        del self.news[key]
        self.lanes.look([key])

    def verbs(self) -> list[str]:
        return [verb for _, verb, _ in self.asked]

    def queries(self, host: str = "proxy:8080") -> list[str]:
        return [query for asked, _, query in self.asked if asked == host]

    def all_sure(self) -> bool:
        return bool(self.kept) and all(told.mark for told in self.kept.values())


@asynccontextmanager
async def scene(told: dict[Place, Told] | None = None, /, **environ: str):
    made = Scene(settings(**environ), told or {})
    running = asyncio.create_task(made.lanes.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait({running})


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


# Failures.


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
