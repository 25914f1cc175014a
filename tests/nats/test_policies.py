"""Policies at work: a real nats-server, a simulated Swarm, a poller, and schedulers of which one is active."""

import asyncio
import json
from typing import Any

import pytest

from funswarm.commands import Command
from funswarm.decisions import Decision, plainly
from funswarm.errors import Unavailable
from funswarm.holds import Hold, hold_for
from funswarm.how import How
from funswarm.messages import Code
from funswarm.spec import ServicePatch, ServiceSpec
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.bus.reading import read_stream
from services.bus.settings import NatsSettings
from services.scheduler.store import NatsStore
from tests.floors import Floor
from tests.nats.scheduler_scene import Scene, at_work, done
from tests.waiting import until


def web(**labels: str) -> ServiceSpec:
    named = {f"funswarm.{key}": value for key, value in labels.items()}
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": 1, "labels": named})


@pytest.fixture
async def swarm(monkeypatch):
    monkeypatch.setattr("services.scheduler.policies.start.policies", lambda *_: (Floor(),))
    async with at_work() as running:
        yield running


@pytest.fixture
async def bus(swarm: Scene):
    found = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")
    yield found
    await found.close()


async def memory_of(bus: Bus) -> dict[str, Any]:
    kept = await PolicyBucket(bus).memories()
    memory: dict[str, Any] = json.loads(kept[0].body)["memories"]["floor"]
    return memory


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
    assert 1 == (await memory_of(bus))["raised"]
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


async def test_a_hold_keeps_a_policy_from_acting_until_it_is_released(swarm, bus):
    await swarm.client.hold(Hold(service="web", until=hold_for(3600), reason="we look at it", by="ann"))
    done(await swarm.client.create(web(floor="3")))
    told = await until(lambda: decisions(bus), "a decision")
    assert "by ann: we look at it" in (told[0].limiter or "")
    assert 1 == swarm.replicas("web")
    assert 1 == len(await swarm.client.release("web"))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_a_hold_that_runs_out_is_over(swarm):
    await swarm.client.hold(Hold(service="web", until=hold_for(1.5)))
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_the_decisions_of_a_service_can_be_asked_for(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: decisions(bus), "a decision")
    page = await swarm.client.decisions("web", policy="floor")
    assert ["floor did 1 → 3 replicas: 1 are fewer than 3"] == [plainly(one) for one in page.items]


async def test_a_command_of_a_user_is_respected_for_a_while(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    done(await swarm.client.scale("web", 2))
    await until(lambda: _limiter(bus, "left to whoever wrote it"), "the decision")
    assert 2 == swarm.replicas("web")


async def test_a_successor_resets_nothing_and_decides_nothing_twice(swarm, bus):
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    version = swarm.service("web").version
    await swarm.stop()
    swarm.start("two")
    await swarm.active()
    await asyncio.sleep(1)  # it would be at once
    memory = await memory_of(bus)
    assert (1, version) == (memory["raised"], swarm.service("web").version)


async def test_what_was_remembered_and_not_sent_is_sent_by_the_successor(swarm, bus, monkeypatch):
    sent = []

    async def lost(_: NatsStore, command: Command, __: str | None) -> None:
        sent.append(command)
        raise Unavailable("the network is away just now")

    with monkeypatch.context() as patch:
        patch.setattr(NatsStore, "submit", lost)
        done(await swarm.client.create(web(floor="3")))
        await until(lambda: sent, "a command that is lost")
        await swarm.stop()
    assert 1 == swarm.replicas("web")
    swarm.start("two")
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    assert 1 == (await memory_of(bus))["raised"]
    assert sent[0].id == swarm.service("web").spec["Labels"]["funswarm.command"]


async def test_what_swarms_own_writes_came_before_is_asked_for_again(swarm, monkeypatch):
    submit, asked = NatsStore.submit, dict[str, Command]()

    async def raced(store: NatsStore, command: Command, traceparent: str | None) -> None:
        asked[command.id] = command
        if len(asked) <= 3:
            service = swarm.service("web")
            swarm.cluster.update_service(service.id, service.version, service.spec)
        await submit(store, command, traceparent)

    monkeypatch.setattr(NatsStore, "submit", raced)
    done(await swarm.client.create(web(floor="3")))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    results = [await swarm.client.result(command_id) for command_id in asked]
    assert [Code.EXPECTATION] * 3 == [result and result.code for result in results][:3]


async def test_who_is_killed_between_memory_and_command_loses_nothing(swarm, bus):
    await swarm.stop()
    deadly = await swarm.spawn("tests.nats.deadly_policies")
    await swarm.active()
    await swarm.client.create(web(floor="3"), how=How(wait_s=60))
    await asyncio.wait_for(deadly.wait(), 60)
    assert (1, 1) == (swarm.replicas("web"), (await memory_of(bus))["raised"])
    swarm.start("two")
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    assert 1 == (await memory_of(bus))["raised"]


async def test_of_two_that_decide_at_once_one_is_refused_its_memory(swarm, bus):
    bucket = PolicyBucket(bus)
    assert await bucket.keep("web", b"one", 0)
    assert await bucket.keep("web", b"two", 0) is None


async def _limiter(bus: Bus, words: str) -> bool:
    return any(words in (one.limiter or "") for one in await decisions(bus))
