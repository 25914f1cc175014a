"""Docker Flow's listener where receivers fail, hang or are gone, and where it, its copies or NATS die."""

import asyncio
import signal
import threading

import pytest

from funswarm.messages import DeadLetter
from services.bus.reading import read_stream
from services.bus.state import load_bucket
from tests.nats.docker_flow_scene import Scene, has_told, paths, scene, told
from tests.receiver import OK, Receiver, Reply
from tests.servers import NatsServer
from tests.waiting import until


async def test_what_fails_is_tried_again_and_409_counts_as_delivered(flow: Scene, proxy: Receiver):
    statuses = [500, 409]
    proxy.answer = lambda _: Reply(statuses.pop(0)) if statuses else OK
    await flow.notifier(proxy, DF_RETRY="5")
    service_id = await flow.create("web")
    await has_told(proxy, "web", "/reconfigure", "/reconfigure")
    await flow.swarm.engine.remove_service(service_id)
    await has_told(proxy, "web", "/reconfigure", "/reconfigure", "/remove")


async def test_after_all_tries_there_is_a_dead_letter_and_a_change_is_told(flow: Scene, proxy: Receiver):
    proxy.answer = lambda _: Reply(500, b"out of order")
    await flow.notifier(proxy, DF_RETRY="1")
    service_id = await flow.create("web")
    letter = await dead_letter(flow)
    assert "status 500: out of order; tried 2 times" in letter.reason
    assert letter.body.startswith(f"{proxy.url}/reconfigure?")
    proxy.answer = lambda _: OK
    await flow.swarm.scale(service_id, 2)
    await until(lambda: len(told(proxy, "web")) > 2, "the change")


async def dead_letter(flow: Scene) -> DeadLetter:
    bus = flow.swarm.bus

    async def found() -> list[bytes]:
        subject = bus.subjects.dead("docker-flow", "web")
        return [one.body async for one in read_stream(bus, bus.subjects.dead_stream, subject=subject)]

    return DeadLetter.model_validate_json((await until(found, "the dead letter"))[0])


async def test_a_receiver_that_hangs_delays_no_other(flow: Scene, proxy: Receiver, second: Receiver):
    released = threading.Event()

    def hang(_):
        released.wait(120)
        return OK

    proxy.answer = hang
    try:
        await flow.notifier(DF_NOTIFY_CREATE_SERVICE_URL=f"{proxy.url}/a,{second.url}/b")
        for number in range(3):
            await flow.create(f"web{number}")
        await until(lambda: len({asked.target for asked in second.asked}) == 3, "the other")
    finally:
        released.set()


async def test_who_hangs_is_asked_again_in_time(flow: Scene, proxy: Receiver):
    released = threading.Event()

    def hang(_):
        released.wait(120)
        return OK

    proxy.answer = hang
    await flow.notifier(proxy, FUNSWARM_DOCKER_FLOW_TIMEOUT_S="0.2")
    await flow.create("web")
    await until(lambda: len(proxy.asked) > 1, "another try")
    released.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_told_is_not_told_after_a_restart_but_what_changed_is(flow: Scene, proxy: Receiver, number):
    notifier = await flow.notifier(proxy)
    await flow.create("stays")
    goes, grows = await flow.create("goes"), await flow.create("grows")
    await until(lambda: {"stays", "goes", "grows"} <= {asked.parameters["serviceName"] for asked in proxy.asked}, "all")
    await settle(flow)
    await notifier.end(number)
    proxy.asked.clear()
    await flow.swarm.engine.remove_service(goes)
    await flow.swarm.scale(grows, 2)
    await flow.create("comes")
    await flow.swarm.seen("service", "comes", "created")
    await flow.notifier(proxy)
    expected = {("/remove", "goes"), ("/reconfigure", "grows"), ("/reconfigure", "comes")}
    asked = lambda: {(asked.path, asked.parameters["serviceName"]) for asked in proxy.asked}  # noqa: E731
    await until(lambda: expected <= asked(), "the differences")
    assert expected == asked()


async def settle(flow: Scene) -> None:
    """Until all that was told is noted."""
    bus = flow.swarm.bus

    async def noted() -> bool:
        values = await load_bucket(bus, bus.subjects.notified_bucket)
        return bool(values) and all(b'"mark":null' not in value.body for value in values.values())

    await until(noted, "the notes")


async def test_a_removal_while_nobody_could_be_reached_is_told(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy)
    service_id = await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")
    proxy.answer = lambda _: Reply(503)
    await flow.swarm.engine.remove_service(service_id)
    await until(lambda: "/remove" in paths(proxy, "web"), "a try")
    tries = len(proxy.asked)
    proxy.answer = lambda _: OK
    await until(lambda: len(proxy.asked) > tries, "another")
    await until_empty(flow)


async def until_empty(flow: Scene) -> None:
    bus = flow.swarm.bus

    async def empty() -> bool:
        return not await load_bucket(bus, bus.subjects.notified_bucket)

    await until(empty, "nothing to be left")


async def test_a_service_that_is_created_anew_is_removed_first(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy)
    service_id = await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await flow.swarm.engine.remove_service(service_id)
    await flow.create("web")
    await has_told(proxy, "web", "/reconfigure", "/remove", "/reconfigure")


async def test_receivers_are_told_also_where_the_port_is_taken(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy, FUNSWARM_DOCKER_FLOW_PORT=str(proxy.port))
    await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")


async def test_after_a_restart_of_nats_all_goes_on(nats: NatsServer, proxy: Receiver):
    async with scene(nats.url) as flow:
        await flow.notifier(proxy)
        service_id = await flow.create("web")
        await has_told(proxy, "web", "/reconfigure")
        nats.kill()
        await flow.swarm.scale(service_id, 2)
        await flow.create("new")
        await asyncio.sleep(0.5)  # the outage
        nats.start()
        await has_told(proxy, "new", "/reconfigure")
        await until(lambda: told(proxy, "web")[-1].parameters["replicas"] == "2", "the change")


async def test_when_the_active_copy_dies_the_other_tells(flow: Scene, proxy: Receiver):
    first = await flow.notifier(proxy)
    await flow.create("one")
    await has_told(proxy, "one", "/reconfigure")
    await flow.notifier(proxy)
    await first.end(signal.SIGKILL)
    await flow.create("two")
    await has_told(proxy, "two", "/reconfigure")
