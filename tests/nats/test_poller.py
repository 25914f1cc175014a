"""The poller against a simulated Swarm and a real nats-server: what subscribers get."""

import json

import pytest

from funswarm.messages import NodePage, Query, ServicePage, SummaryPage, TaskPage
from funswarm.state import COMMAND_LABEL, TRACE_LABEL, EngineState, NodeState, ServiceState, TaskState
from services.bus.reading import read_stream
from services.simulator.faults import Faults
from tests.checker import bucket_of
from tests.pollers import World, world
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
    async def is_reached():
        state = (await bucket_of(watched.bus)).get(("engine", "engine"))
        return isinstance(state, EngineState) and (state.reachable, state.stream) == (True, "open")

    await until(is_reached, "the engine's state")


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


async def test_a_service_can_be_asked_for_as_soon_as_it_is_created(watched: World):
    watched.simulator.set_faults(Faults(events_silent=True))
    service_id = await watched.create("web", replicas=1)
    assert service_id == (await ask(watched, "service", ServiceState, name="web")).id


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

    async def counted() -> bool:
        (summary,) = (await ask(watched, "summary", SummaryPage)).items
        return (summary.running, summary.desired) == (2, 2)

    await until(counted, "its tasks, which may be told a moment after it")


async def test_metrics_are_prometheus_text(watched: World):
    answers = await watched.bus.gather(watched.bus.subjects.part_metrics, b"", 60.0, lambda all_: len(all_) >= 1)

    assert b"funswarm_poller_events_total" in answers[0]
    assert b'funswarm_poller_active{instance="poller-1"} 1.0' in answers[0]


async def test_health_answers_before_the_engine_does(swarm: World):
    swarm.simulator.set_faults(Faults(error_share=1))
    async with swarm.poller():
        (health,) = await until(swarm.health, "an answer")

        assert (health.ok, health.active) == (False, False)


async def test_a_clean_stop_hands_over(swarm: World):
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
