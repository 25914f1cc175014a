"""Docker Flow's listener whole: a simulated Swarm, a real NATS, the notifier as a process, receivers on loopback."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator

import pytest

from funswarm.messages import DeadLetter, Problems
from services.bus.reading import read_stream
from services.bus.state import load_bucket
from services.notifier.docker_flow.server import BASE
from tests.nats.docker_flow_scene import Scene, labels, paths, scene, told
from tests.receiver import OK, Asked, Receiver, Reply, receiver
from tests.servers import NatsServer
from tests.waiting import until


@pytest.fixture
def proxy():
    with receiver() as made:
        yield made


@pytest.fixture
def second():
    with receiver() as made:
        yield made


@pytest.fixture
async def swarm(shared_nats: NatsServer) -> AsyncIterator[Scene]:
    async with scene(shared_nats.url) as made:
        yield made


async def has_told(proxy: Receiver, name: str, *expected: str) -> None:
    await until(lambda: paths(proxy, name) == list(expected), f"{name}: {expected}")


# The Swarm.


async def test_a_service_is_told_from_its_creation_to_its_end(swarm: Scene, proxy: Receiver):
    await swarm.notifier(proxy)
    service_id = await swarm.create("web", replicas=2, port="80", servicePath="/a")
    await has_told(proxy, "web", "/reconfigure")
    assert "/reconfigure?distribute=true&port=80&replicas=2&serviceName=web&servicePath=%2Fa" == proxy.asked[0].target
    await swarm.swarm.scale(service_id, 3)
    await until(lambda: told(proxy, "web")[-1].parameters.get("replicas") == "3", "the new number")
    await swarm.swarm.engine.remove_service(service_id)
    await until(lambda: paths(proxy, "web")[-1] == "/remove", "the removal")
    assert "/remove?distribute=true&port=80&serviceName=web&servicePath=%2Fa" == proxy.asked[-1].target


async def test_who_takes_its_label_away_is_told_as_gone(swarm: Scene, proxy: Receiver):
    await swarm.notifier(proxy)
    service_id = await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await swarm.swarm.change(service_id, Labels={})
    await has_told(proxy, "web", "/reconfigure", "/remove")


async def test_a_service_that_waits_for_its_tasks_is_told_when_they_run(swarm: Scene, proxy: Receiver):
    running: list[int] = []

    def answer(_: Asked) -> Reply:
        tasks = list(swarm.swarm.cluster.store.tasks.values())
        running.append(sum(task.state.word == "running" for task in tasks))
        return OK

    proxy.answer = answer
    await swarm.notifier(proxy)
    await swarm.create("waits", scrapeNetwork="none", replicas=10)
    await has_told(proxy, "waits", "/reconfigure")
    assert [10] == running


async def test_nodes_are_told(swarm: Scene, proxy: Receiver):
    await swarm.notifier(
        DF_NOTIFY_CREATE_NODE_URL=f"{proxy.url}/node/up", DF_NOTIFY_REMOVE_NODE_URL=f"{proxy.url}/node/down"
    )
    await until(lambda: len(proxy.asked) == 3, "all nodes")
    assert {"/node/up"} == {asked.path for asked in proxy.asked}
    assert "ready" == proxy.asked[0].parameters["state"]


async def test_listeners_with_other_labels_stand_side_by_side(swarm: Scene, proxy: Receiver, second: Receiver):
    await swarm.notifier(proxy)
    await swarm.notifier(second, DF_NOTIFY_LABEL="com.df.notifyDev")
    await swarm.create("web")
    await swarm.swarm.create("dev", 1, Labels={"com.df.notifyDev": "true"})
    await has_told(proxy, "web", "/reconfigure")
    await has_told(second, "dev", "/reconfigure")
    assert (1, 1) == (len(proxy.asked), len(second.asked))


# What is asked.


async def test_the_api_lists_services_and_nodes(swarm: Scene):
    await swarm.create("web", port="80")
    await swarm.swarm.settled("web")
    notifier = await swarm.notifier(FUNSWARM_DOCKER_FLOW="true")
    assert [{"distribute": "true", "port": "80", "replicas": "1", "serviceName": "web"}] == await notifier.listed(
        "services"
    )
    assert 3 == len(await notifier.listed("nodes"))


async def test_all_services_are_told_again_if_asked(swarm: Scene, proxy: Receiver):
    notifier = await swarm.notifier(proxy)
    await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    assert '{"Status":"OK"}' == (await notifier.get(f"{BASE}/notify-services")).text
    await has_told(proxy, "web", "/reconfigure", "/reconfigure")


async def test_a_copy_on_standby_answers_and_has_the_active_one_tell(swarm: Scene, proxy: Receiver):
    first = await swarm.notifier(proxy)
    await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await swarm.swarm.settled("web")
    standby = await swarm.notifier(proxy)
    assert await first.listed("services") == await standby.listed("services")
    assert 200 == (await standby.get(f"{BASE}/notify-services")).status_code
    await has_told(proxy, "web", "/reconfigure", "/reconfigure")


async def test_the_old_metrics_are_there_under_their_names(swarm: Scene, proxy: Receiver):
    notifier = await swarm.notifier(proxy)
    await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    text = (await notifier.get("/metrics")).text
    assert 'docker_flow_service_count{service="swarm_listener"} 1' in text
    assert "funswarm_docker_flow_requests_total" in text


# Bad days.


async def test_what_fails_is_tried_again_and_409_counts_as_delivered(swarm: Scene, proxy: Receiver):
    statuses = [500, 409]
    proxy.answer = lambda _: Reply(statuses.pop(0)) if statuses else OK
    await swarm.notifier(proxy, DF_RETRY="5")
    service_id = await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure", "/reconfigure")
    await swarm.swarm.engine.remove_service(service_id)
    await has_told(proxy, "web", "/reconfigure", "/reconfigure", "/remove")


async def test_after_all_tries_there_is_a_dead_letter_and_a_change_is_told(swarm: Scene, proxy: Receiver):
    proxy.answer = lambda _: Reply(500, b"out of order")
    await swarm.notifier(proxy, DF_RETRY="1")
    service_id = await swarm.create("web")
    letter = await dead_letter(swarm)
    assert "status 500: out of order; tried 2 times" in letter.reason
    assert letter.body.startswith(f"{proxy.url}/reconfigure?")
    proxy.answer = lambda _: OK
    await swarm.swarm.scale(service_id, 2)
    await until(lambda: len(told(proxy, "web")) > 2, "the change")


async def dead_letter(swarm: Scene) -> DeadLetter:
    bus = swarm.swarm.bus

    async def found() -> list[bytes]:
        subject = bus.subjects.dead("docker-flow", "web")
        return [one.body async for one in read_stream(bus, bus.subjects.dead_stream, subject=subject)]

    return DeadLetter.model_validate_json((await until(found, "the dead letter"))[0])


async def test_a_receiver_that_hangs_delays_no_other(swarm: Scene, proxy: Receiver, second: Receiver):
    released = threading.Event()

    def hang(_):
        released.wait(120)
        return OK

    proxy.answer = hang
    try:
        await swarm.notifier(DF_NOTIFY_CREATE_SERVICE_URL=f"{proxy.url}/a,{second.url}/b")
        for number in range(3):
            await swarm.create(f"web{number}")
        await until(lambda: len(second.asked) == 3, "the other")
    finally:
        released.set()


async def test_who_hangs_is_asked_again_in_time(swarm: Scene, proxy: Receiver):
    released = threading.Event()

    def hang(_):
        released.wait(120)
        return OK

    proxy.answer = hang
    await swarm.notifier(proxy, FUNSWARM_DOCKER_FLOW_TIMEOUT_S="0.2")
    await swarm.create("web")
    await until(lambda: len(proxy.asked) > 1, "another try")
    released.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_told_is_not_told_after_a_restart_but_what_changed_is(swarm: Scene, proxy: Receiver, number):
    notifier = await swarm.notifier(proxy)
    await swarm.create("stays")
    goes, grows = await swarm.create("goes"), await swarm.create("grows")
    await until(lambda: {"stays", "goes", "grows"} <= {asked.parameters["serviceName"] for asked in proxy.asked}, "all")
    await settle(swarm)
    await notifier.end(number)
    proxy.asked.clear()
    await swarm.swarm.engine.remove_service(goes)
    await swarm.swarm.scale(grows, 2)
    await swarm.create("comes")
    await swarm.swarm.seen("service", "comes", "created")
    await swarm.notifier(proxy)
    await until(lambda: len(proxy.asked) == 3, "the differences")
    expected = {("/remove", "goes"), ("/reconfigure", "grows"), ("/reconfigure", "comes")}
    assert expected == {(asked.path, asked.parameters["serviceName"]) for asked in proxy.asked}


async def settle(swarm: Scene) -> None:
    """Until all that was told is noted."""
    bus = swarm.swarm.bus

    async def noted() -> bool:
        values = await load_bucket(bus, bus.subjects.notified_bucket)
        return bool(values) and all(b'"mark":null' not in value.body for value in values.values())

    await until(noted, "the notes")


async def test_a_removal_while_nobody_could_be_reached_is_told(swarm: Scene, proxy: Receiver):
    await swarm.notifier(proxy)
    service_id = await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    proxy.answer = lambda _: Reply(503)
    await swarm.swarm.engine.remove_service(service_id)
    await until(lambda: "/remove" in paths(proxy, "web"), "a try")
    tries = len(proxy.asked)
    proxy.answer = lambda _: OK
    await until(lambda: len(proxy.asked) > tries, "another")
    await until_empty(swarm)


async def until_empty(swarm: Scene) -> None:
    bus = swarm.swarm.bus

    async def empty() -> bool:
        return not await load_bucket(bus, bus.subjects.notified_bucket)

    await until(empty, "nothing to be left")


async def test_a_service_that_is_created_anew_is_removed_first(swarm: Scene, proxy: Receiver):
    await swarm.notifier(proxy)
    service_id = await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await swarm.swarm.engine.remove_service(service_id)
    await swarm.create("web")
    await has_told(proxy, "web", "/reconfigure", "/remove", "/reconfigure")


async def test_after_a_restart_of_nats_all_goes_on(nats: NatsServer, proxy: Receiver):
    async with scene(nats.url) as swarm:
        await swarm.notifier(proxy)
        service_id = await swarm.create("web")
        await has_told(proxy, "web", "/reconfigure")
        nats.kill()
        await swarm.swarm.scale(service_id, 2)
        await swarm.create("new")
        await asyncio.sleep(0.5)  # the outage
        nats.start()
        await has_told(proxy, "new", "/reconfigure")
        await until(lambda: told(proxy, "web")[-1].parameters["replicas"] == "2", "the change")


async def test_when_the_active_copy_dies_the_other_tells(swarm: Scene, proxy: Receiver):
    first = await swarm.notifier(proxy)
    await swarm.create("one")
    await has_told(proxy, "one", "/reconfigure")
    await swarm.notifier(proxy)
    await first.end(signal.SIGKILL)
    await swarm.create("two")
    await has_told(proxy, "two", "/reconfigure")


async def test_two_services_of_one_short_name_are_a_problem(swarm: Scene, proxy: Receiver):
    await swarm.notifier(proxy)
    for stack in ("a", "b"):
        name, short = f"{stack}_web", labels(shortName="true") | {"com.docker.stack.namespace": stack}
        await swarm.swarm.create(name, 1, Labels=short)
        await swarm.swarm.seen("service", name, "created")
    bus = swarm.swarm.bus

    async def said() -> bytes:
        return await bus.last(bus.subjects.reports_stream, bus.subjects.problem("docker-flow", "b_web")) or b""

    (problem,) = Problems.model_validate_json(await until(said, "the problem")).problems
    assert "the service a_web is older" in problem.reason
    await has_told(proxy, "web", "/reconfigure")
