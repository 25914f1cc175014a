"""The poller against a simulated Swarm and a real nats-server: what subscribers get."""

import asyncio
import json
import time

import pytest

from funswarm.messages import NodePage, Query, ServicePage, SummaryPage, TaskPage
from funswarm.state import COMMAND_LABEL, TRACE_LABEL, EngineState, NodeState, ServiceState, TaskState
from services.bus.jetstream import call
from services.bus.reading import read_stream
from services.engine import understood
from services.poller.pacing import BURST, RATE_PER_S
from services.simulator.faults import Faults
from tests.checker import bucket_of, fold, problems_of
from tests.pollers import POLLER, World, world
from tests.servers import nats_server
from tests.waiting import until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory):
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture
async def swarm(nats_url):
    async with world(nats_url) as one:
        yield one


@pytest.fixture
async def watched(swarm):
    async with swarm.poller():
        await swarm.active()
        yield swarm


async def ask(swarm: World, question: str, page, **query):
    body = Query(**query).model_dump_json().encode()
    return page.model_validate_json(await swarm.bus.request(swarm.bus.subjects.query(question), body, 60.0))


async def test_a_service_s_life_is_told(watched: World):
    service_id = await watched.create("web", replicas=1)
    await watched.settled("web")
    await watched.scale(service_id, 2)
    await watched.seen("service", "web", "updated")
    await watched.engine.remove_service(service_id)
    await watched.seen("service", "web", "removed")
    await watched.right()


async def test_tasks_are_told_until_they_are_gone(watched: World):
    service_id = await watched.create("web", replicas=1)
    await watched.seen("task", "web.1", "running")
    await watched.engine.remove_service(service_id)
    await watched.seen("task", "web.1", "removed")


async def test_a_failing_task_is_told(watched: World):
    await watched.create("web", replicas=1)
    event = await watched.seen("task", "web.1", "running")
    watched.cluster.kill_task(event.object_id, 137)

    failed = (await watched.seen("task", "web.1", "failed")).after
    assert isinstance(failed, TaskState)
    assert failed.exit_code == 137


async def test_a_service_created_without_replicas_is_one_event(watched: World):
    await watched.create("none", replicas=0)
    await watched.create("other", replicas=1)
    await watched.settled("other")

    assert await watched.actions("service", "none") == ["created"]


async def test_a_node_that_goes_down_is_told(watched: World):
    node = await watched.seen("node", "node-3", "created")
    watched.cluster.set_node_state(node.object_id, "down")

    down = (await watched.seen("node", "node-3", "down")).after
    assert isinstance(down, NodeState)
    assert down.state == "down"


async def test_the_bucket_has_the_state(watched: World):
    await watched.create("web", replicas=1)
    await watched.settled("web")
    await watched.right()
    states = await bucket_of(watched.bus)

    assert "converged" in [s.condition.status for s in states.values() if isinstance(s, ServiceState)]


async def test_how_the_engine_is_reached_is_a_state(watched: World):
    async def engine_state():
        return (await bucket_of(watched.bus)).get(("engine", "engine"))

    state = await until(engine_state, "the engine's state")

    assert isinstance(state, EngineState)
    assert (state.reachable, state.stream) == (True, "open")


async def test_events_carry_the_command_and_its_trace(watched: World):
    await watched.create("web", replicas=1, Labels={COMMAND_LABEL: "c1", TRACE_LABEL: TRACE})
    event = await watched.seen("service", "web", "created")
    await watched.seen("task", "web.1", "running")
    stream = read_stream(watched.bus, watched.bus.subjects.events_stream)
    traced = {m.headers["ce-type"] for m in [m async for m in stream] if m.headers.get("traceparent") == TRACE}

    assert event.command == "c1"
    assert {"funswarm.service.created", "funswarm.task.running"} <= traced


async def test_headers_are_cloudevents(watched: World):
    await watched.create("web", replicas=1)
    event = await watched.seen("service", "web", "created")
    stream = read_stream(watched.bus, watched.bus.subjects.events_stream)
    (headers,) = [m.headers async for m in stream if m.headers["Nats-Msg-Id"] == event.id]

    assert headers["ce-id"] == event.id
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "funswarm.service.created"


async def test_a_removal_while_down_is_told(swarm: World):
    service_id = await swarm.create("web", replicas=1)
    async with swarm.poller():
        await swarm.seen("service", "web", "created")
    await swarm.engine.remove_service(service_id)
    async with swarm.poller():
        await swarm.seen("service", "web", "removed")
        await swarm.right()


async def test_a_restart_tells_nothing_twice(swarm: World):
    await swarm.create("web", replicas=1)
    async with swarm.poller():
        await swarm.seen("task", "web.1", "running")
        await swarm.settled("web")
        await swarm.right()
    before = await swarm.events()
    async with swarm.poller():
        await swarm.active()
        await swarm.create("db", replicas=1)
        await swarm.settled("db")

    assert [event for event in (await swarm.events())[len(before) :] if "web" in event.name] == []


async def test_optional_kinds_are_told_when_asked_for(swarm: World):
    async with swarm.poller(watch=("network", "secret", "config")):
        await swarm.active()

        assert await swarm.seen("network", "ingress", "created")


async def test_kinds_that_are_no_longer_watched_leave_the_state(swarm: World):
    async with swarm.poller(watch=("network",)):
        await swarm.seen("network", "ingress", "created")
    async with swarm.poller():
        await swarm.seen("network", "ingress", "unwatched")
        await swarm.right()

        assert "network" not in {kind for kind, _ in await bucket_of(swarm.bus)}
    async with swarm.poller(watch=("network",)):
        await swarm.seen("network", "ingress", "created")

        async def back() -> bool:
            return "network" in {kind for kind, _ in await bucket_of(swarm.bus)}

        await until(back, "the network to be back")


async def test_a_swarm_restored_from_an_older_backup_is_followed_back(swarm: World, monkeypatch):
    monkeypatch.setattr("services.poller.lists.BACK_S", 1.0)
    service_id = await swarm.create("web", replicas=0)
    store = swarm.cluster.store
    async with swarm.poller():
        await swarm.seen("service", "web", "created")
        backup = store.services[service_id]
        for number in range(5):
            await swarm.change(service_id, Labels={"n": str(number)})
        await swarm.right()

        store.services[service_id] = backup
        await swarm.simulator.restart(0.1)

        async def followed() -> bool:
            return (await bucket_of(swarm.bus))["service", service_id].version == backup.version

        await until(followed, "the older version to be published")
        folded, problems = fold(await swarm.events())
        assert ["the version goes back"] == [problem.partition("): ")[2] for problem in problems]
        assert folded["service", service_id] == (await bucket_of(swarm.bus))["service", service_id]


async def test_an_object_that_cannot_be_understood_is_told_and_leaves_the_poller_well(swarm: World, monkeypatch):
    real = understood.service_state

    def service_state(raw, networks):
        if raw["Spec"]["Name"] == "odd":
            raise ValueError("a mode of the future")
        return real(raw, networks)

    monkeypatch.setattr(understood, "service_state", service_state)
    async with swarm.poller():
        await swarm.active()
        odd = await swarm.create("odd", replicas=0)

        async def told() -> bool:
            return "a mode of the future" in ((await swarm.active()).reason or "")

        await until(told, "the health to tell of it")
        (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)
        assert b'funswarm_poller_misunderstood{instance="poller-1",kind="service"} 1.0' in metrics
        assert (await swarm.active()).ok

        await swarm.engine.remove_service(odd)

        async def well() -> bool:
            return (await swarm.active()).reason is None

        await until(well, "the health to tell nothing")


async def test_a_service_can_be_asked_for_as_soon_as_it_is_created(watched: World):
    watched.simulator.set_faults(Faults(events_silent=True))
    service_id = await watched.create("web", replicas=1)
    assert service_id == (await ask(watched, "service", ServiceState, name="web")).id


async def test_a_silent_stream_is_reported_healed_and_made_good(watched: World):
    watched.simulator.set_faults(Faults(events_silent=True))
    await watched.create("quiet", replicas=1)
    await watched.seen("service", "quiet", "created")

    async def streams() -> list[str]:
        return [event.after.stream for event in await watched.events("engine") if isinstance(event.after, EngineState)]

    async def told() -> bool:
        return "silent" in await streams()

    await until(told, "the silence to be told")
    watched.simulator.set_faults(Faults())

    async def healed() -> bool:
        return (await streams())[-1] == "open"

    await until(healed, "the stream to be open")
    await watched.right()


async def test_an_engine_that_restarts_loses_nothing(watched: World):
    await watched.create("before", replicas=1)
    await watched.simulator.restart(0.3)
    await watched.create("after", replicas=1)
    await watched.settled("after")
    await watched.right()


async def test_an_object_in_a_frenzy_is_coalesced_and_its_chain_is_whole(watched: World):
    service_id = await watched.create("web", replicas=0)
    await watched.seen("service", "web", "created")
    began = time.monotonic()
    for number in range(300):
        await watched.change(service_id, Labels={"n": str(number)})
    await watched.right()

    lists_per_s = 1 / POLLER.interval_min_s
    most = BURST + (RATE_PER_S + lists_per_s) * (time.monotonic() - began) + 2  # the creation, and the last
    assert len(await watched.events("service", "web")) <= most


async def test_an_event_too_large_for_nats_loses_its_spec_not_its_place(watched: World):
    service_id = await watched.create("big", replicas=0, Labels={"big": "x" * 700_000})
    event = await watched.seen("service", "big", "created")
    await watched.engine.remove_service(service_id)

    assert isinstance(event.after, ServiceState)
    assert event.after.spec == {}
    assert (await watched.seen("service", "big", "removed")).before == event.after


@pytest.mark.parametrize("narrow", ["server", "stream"])
async def test_an_event_that_nats_takes_at_no_time_is_cut_and_holds_up_nothing(tmp_path, narrow):
    extra = "max_payload: 20000" if narrow == "server" else ""
    with nats_server(tmp_path, extra) as server:
        async with world(server.url) as swarm:
            if narrow == "stream":
                stream = swarm.bus.subjects.events_stream
                config = (await call(swarm.bus.link, f"STREAM.INFO.{stream}"))["config"]
                await call(swarm.bus.link, f"STREAM.UPDATE.{stream}", config | {"max_msg_size": 20_000})
            for number in range(5):  # so many that they are written as a batch
                await swarm.create(f"big{number}", replicas=0, Labels={"big": "x" * 30_000})
            async with swarm.poller():
                for number in range(5):
                    assert (await swarm.seen("service", f"big{number}", "created")).cut
                big = (await swarm.events("service", "big0"))[0].object_id
                await swarm.change(big, Labels={"big": "y" * 30_000})
                await swarm.create("web", replicas=1)
                await swarm.seen("service", "web", "created")
                await swarm.engine.remove_service(big)
                removed = await swarm.seen("service", "big0", "removed")
                (health,) = await swarm.health()
                (metrics,) = await swarm.bus.gather(swarm.bus.subjects.part_metrics, b"", 60.0, bool)

                assert isinstance(removed.before, ServiceState)
                assert (removed.before.name, removed.before.labels) == ("big0", {})
                assert health.ok
                assert "events of" in (health.reason or "")
                assert b"funswarm_poller_events_cut_total{" in metrics
                assert await problems_of(swarm.bus) == []


async def test_the_whole_swarm_is_listed_page_by_page(watched: World):
    for number in range(5):
        await watched.create(f"web{number}", replicas=1)
    for number in range(5):
        await watched.settled(f"web{number}")
    names, after = [], None
    while True:
        page = await ask(watched, "services", ServicePage, limit=2, after=after)
        names += [service.name for service in page.items]
        after = page.next
        if after is None:
            break

    assert sorted(names) == [f"web{number}" for number in range(5)]


async def test_queries_select(watched: World):
    await watched.create("web", replicas=2)
    await watched.create("db", replicas=1)
    for name in ("web", "db"):
        await watched.settled(name)

    async def both() -> bool:
        return len((await ask(watched, "tasks", TaskPage, service="web")).items) == 2

    await until(both, "the tasks of web, which may be told a moment after it")
    assert (await ask(watched, "service", ServiceState, name="db")).name == "db"
    assert [node.name for node in (await ask(watched, "nodes", NodePage, name="node-2")).items] == ["node-2"]


async def test_the_summary_counts_tasks(watched: World):
    await watched.create("web", replicas=2)
    await watched.settled("web")
    (summary,) = (await ask(watched, "summary", SummaryPage)).items

    assert (summary.running, summary.desired) == (2, 2)


async def test_metrics_are_prometheus_text(watched: World):
    answers = await watched.bus.gather(watched.bus.subjects.part_metrics, b"", 60.0, lambda all_: len(all_) >= 1)

    assert b"funswarm_poller_events_total" in answers[0]
    assert b'funswarm_poller_active{instance="poller-1"} 1.0' in answers[0]


async def test_health_answers_before_the_engine_does(swarm: World):
    swarm.simulator.set_faults(Faults(error_share=1))
    async with swarm.poller():
        (health,) = await until(swarm.health, "an answer")

        assert (health.ok, health.active) == (False, False)


async def test_an_engine_that_comes_late_is_watched(swarm: World):
    await swarm.simulator.stop_listening()
    async with swarm.poller():
        assert await until(swarm.health, "an answer")
        await swarm.simulator.listen()

        async def well() -> bool:
            return any(one.active and one.ok for one in await swarm.health())

        await until(well, "a healthy poller")


async def test_a_clean_stop_hands_over_within_a_second(swarm: World):
    async with swarm.poller(instance="second") as second:
        await swarm.active()
        async with swarm.poller(instance="third"):
            await until(lambda: swarm.health(2), "both")
            second.cancel()

            async def third() -> bool:
                return any(one.active for one in await swarm.health() if one.instance == "third")

            await until(third, "the take-over")
            await swarm.create("web", replicas=1)
            await swarm.settled("web")


async def test_body_of_an_event_is_json_with_its_kind(watched: World):
    await watched.create("web", replicas=0)
    await watched.seen("service", "web", "created")
    stream = read_stream(watched.bus, watched.bus.subjects.events_stream)
    kinds = {json.loads(message.body)["kind"] async for message in stream}

    assert {"service", "node", "engine"} <= kinds


async def test_a_slow_engine_is_watched_all_the_same(watched: World):
    watched.simulator.set_faults(Faults(slow_s=0.5))
    create = asyncio.create_task(watched.create("slow", replicas=1))
    await watched.settled("slow")
    await create
