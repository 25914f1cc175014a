"""Policies at work: a real nats-server, a simulated Swarm, a poller, and schedulers of which one is active."""

import json

import pytest

from funswarm.decisions import Decision
from funswarm.spec import ServicePatch, ServiceSpec
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.bus.reading import read_stream
from services.bus.settings import NatsSettings
from tests.floors import Floor
from tests.nats.scheduler_scene import Scene, done, scene
from tests.waiting import until


def web(**labels: str) -> ServiceSpec:
    named = {f"funswarm.{key}": value for key, value in labels.items()}
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": 1, "labels": named})


@pytest.fixture
async def swarm(monkeypatch):
    monkeypatch.setattr("services.scheduler.policies.start.policies", lambda: (Floor(),))
    async with scene() as running:
        running.start()
        await running.active()
        running.start_poller()
        yield running


@pytest.fixture
async def bus(swarm: Scene):
    found = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")
    yield found
    await found.close()


async def decisions(bus: Bus) -> list[Decision]:
    stream, subject = bus.subjects.reports_stream, bus.subjects.all_decisions
    return [Decision.model_validate_json(one.body) async for one in read_stream(bus, stream, subject=subject)]


async def test_what_a_policy_asks_for_is_done(swarm):
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_a_decision_is_told_with_its_reason(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    told = await until(lambda: decisions(bus), "a decision")
    assert ("floor", 1, 3, "1 are fewer than 3") == (told[0].policy, told[0].before, told[0].after, told[0].reason)


async def test_a_policys_command_says_whose_it_is(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    told = await until(lambda: decisions(bus), "a decision")
    result = await until(lambda: swarm.client.result(told[0].command_id), "its result")
    assert "policy/floor" == result.requested_by


async def test_a_memory_is_kept_and_goes_with_the_service(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    bucket = PolicyBucket(bus)
    await until(bucket.memories, "a memory")
    assert 1 == json.loads((await bucket.memories())[0].body)["memories"]["floor"]["raised"]
    done(await swarm.client.remove("web"))

    async def gone() -> bool:
        return not await bucket.memories()

    await until(gone, "nothing kept")


async def test_a_label_that_does_not_parse_is_a_problem_until_it_is_solved(swarm):
    done(await swarm.client.create(web(floor="three")))

    async def problems() -> list[str]:
        return [problem.reason for problem in (await swarm.client.health()).problems]

    await until(problems, "a problem")
    done(await swarm.client.update("web", ServicePatch(labels={"funswarm.floor": "2"})))

    async def solved() -> bool:
        return not await problems()

    await until(solved, "no problem")
    await until(lambda: swarm.replicas("web") == 2, "two replicas")
