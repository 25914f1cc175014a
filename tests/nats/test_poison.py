"""Messages and objects that are made to be in the way: none may hold up what comes after it."""

import asyncio
from functools import partial

import pytest

from funswarm.how import How
from funswarm.messages import MSG_ID_HEADER, Code, ResultStatus
from funswarm.spec import ServiceSpec
from funswarm.state import COMMAND_LABEL, TRACE_LABEL
from services.engine import understood
from tests.nats.api_scene import serving
from tests.nats.deadly_scheduler import KILLS_READER, KILLS_WRITER
from tests.nats.scheduler_scene import done, scene
from tests.pollers import world
from tests.waiting import PATIENCE_S, until

WEB = ServiceSpec(name="web", image="nginx:1")


async def test_a_subject_too_long_to_be_escaped_does_not_stop_the_scheduler(swarm, swarm_bus):
    subject = swarm_bus.subjects.all_commands.replace(">", "scale" + ".a" * 1900)
    await swarm_bus.publish(subject, b"junk", {MSG_ID_HEADER: "poison"}, swarm_bus.subjects.commands_stream)
    refused = await until(lambda: swarm.client.result("poison"), "the result")
    assert ResultStatus.REFUSED == refused.status
    assert ResultStatus.SUCCEEDED == done(await swarm.client.create(WEB, how=How(wait_s=PATIENCE_S))).status


@pytest.mark.parametrize("poison", [KILLS_READER, KILLS_WRITER])
async def test_a_command_that_kills_the_scheduler_each_time_is_given_up(poison):
    async with scene() as swarm:
        one = [await swarm.client.scale(name, 1, how=How(wait_s=0)) for name in ("before", poison, "after")]
        deaths = 0
        while await swarm.client.result(one[1].command_id) is None:
            process = await swarm.spawn("tests.nats.deadly_scheduler", FUNSWARM_DELIVERIES_MAX="3")
            gone = asyncio.create_task(process.wait())
            await until(partial(_ended_or_gone, swarm, one[1].command_id, gone), "its death, or the result")
            deaths += gone.done()
        results = [await until(partial(swarm.client.result, each.command_id), "each result") for each in one]
        codes = [result and result.code for result in results]
        letters = await swarm.client.dead_letters()
    assert [Code.UNKNOWN_SERVICE, Code.INTERNAL, Code.UNKNOWN_SERVICE] == codes
    assert (ResultStatus.FAILED, 1) == (results[1] and results[1].status, len(letters.items))
    assert 1 <= deaths <= 3  # one may lose its place with the command in hand, before it dies of it


async def _ended_or_gone(swarm, command_id, gone) -> bool:
    return gone.done() or await swarm.client.result(command_id) is not None


async def test_labels_too_large_for_a_message_do_not_stop_the_poller(shared_nats):
    async with world(shared_nats.url) as watched, watched.poller():
        await watched.active()
        large = {"wide": {"a": "\u4e16" * 200_000}, "led": {COMMAND_LABEL: "x" * 440_000}}
        for name, labels in (large | {"traced": {TRACE_LABEL: "x" * 600_000}}).items():
            service_id = await watched.create(name, replicas=1, Labels=labels)
            await watched.scale(service_id, 2)
        await watched.create("web", replicas=1)
        await watched.seen("service", "web", "created")


@pytest.mark.parametrize("chunked", [False, True])
async def test_who_sends_too_large_a_body_over_http_is_told(shared_nats, chunked):
    body = b'{"name": "web", "image": "' + b"x" * 5_000_000 + b'"}'

    async def chunks():
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async with serving(shared_nats.url) as http:
        json = {"Content-Type": "application/json"}
        answer = await http.post("/v1/services", content=chunks() if chunked else body, headers=json)
    assert (413, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


async def test_a_service_that_cannot_be_understood_is_no_engine_that_is_away(shared_nats, monkeypatch):
    real = understood.service_state

    def service_state(raw, networks):
        if raw["Spec"]["Name"] == "odd":
            raise ValueError("a mode of the future")
        return real(raw, networks)

    monkeypatch.setattr(understood, "service_state", service_state)
    async with world(shared_nats.url) as watched, watched.poller():
        await watched.active()
        odd = await watched.create("odd", replicas=1)
        for replicas in range(2, 12):
            await watched.scale(odd, replicas)
        await watched.create("web", replicas=1)
        await watched.seen("service", "web", "created")
        assert ["created"] == await watched.actions("engine", "engine")
