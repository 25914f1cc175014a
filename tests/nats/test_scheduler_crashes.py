"""Schedulers that die, hang and come back, and a NATS that does: each command has its effect once, in order."""

import asyncio
import signal
from contextlib import suppress
from functools import partial

import pytest

from funswarm.commands import COMMANDS
from funswarm.errors import Unavailable
from funswarm.how import How
from funswarm.messages import ResultStatus
from funswarm.outcome import Accepted
from funswarm.spec import ServiceSpec
from services.engine.client import Engine
from tests.nats.scheduler_scene import done, scene
from tests.waiting import until

WEB = ServiceSpec(name="web", image="nginx:1", replicas=2)


@pytest.fixture
async def swarm():
    async with scene() as running:
        yield running


@pytest.fixture
def dies(monkeypatch):
    """A scheduler whose engine calls never come back once they have had their effect: as if it died right there."""
    monkeypatch.setattr("services.scheduler.loop.FINISH_S", 0.1)
    calls = []
    for name in ("create_service", "update_service", "remove_service"):
        real = getattr(Engine, name)

        async def call(self, *arguments, real=real, **named):
            answer = await real(self, *arguments, **named)
            calls.append(arguments)
            if len(calls) == 1:
                await asyncio.Event().wait()
            return answer

        monkeypatch.setattr(Engine, name, call)
    return calls


async def _setup(swarm) -> None:
    """`web`, at its second spec."""
    service = swarm.cluster.create_service(
        {
            "Name": "web",
            "TaskTemplate": {"ContainerSpec": {"Image": "nginx:1"}},
            "Mode": {"Replicated": {"Replicas": 1}},
        }
    )
    again = {**service.spec, "Labels": {"second": "1"}}
    swarm.cluster.update_service(service.id, service.version, again)


@pytest.mark.parametrize(
    "asked",
    [
        {"verb": "create", "target": "new", "service": {"name": "new", "image": "nginx:1"}},
        {"verb": "scale", "replicas": 7},
        {"verb": "update", "changes": {"image": "nginx:2"}},
        {"verb": "restart"},
        {"verb": "rollback"},
        {"verb": "remove"},
    ],
    ids=lambda asked: asked["verb"],
)
async def test_a_scheduler_that_dies_between_effect_and_result_leaves_one_effect(swarm, dies, asked):
    await _setup(swarm)
    swarm.start("one")
    await swarm.active()
    command = COMMANDS.validate_python({"id": "c1", "target": "web", **asked})
    waiting = asyncio.create_task(swarm.client.submit(command, How(wait_s=60)))
    await until(lambda: len(dies) == 1, "the effect")
    await swarm.stop("one")
    swarm.start("two")
    result = done(await waiting)
    assert (ResultStatus.SUCCEEDED, True, 1) == (result.status, result.changed, len(dies))


async def test_schedulers_killed_again_and_again_do_each_command_once_and_in_order(swarm):
    names = ["a", "b", "c"]
    for name in names:
        spec = {
            "Name": name,
            "TaskTemplate": {"ContainerSpec": {"Image": "x"}},
            "Mode": {"Replicated": {"Replicas": 0}},
        }
        swarm.cluster.create_service(spec)
    process = await swarm.spawn()
    await swarm.active()
    asked: list[str] = []

    async def ask() -> None:
        for count in range(1, 41):
            for name in names:
                asked.append((await swarm.client.scale(name, count, force=True, how=How(wait_s=0))).command_id)
                asked.append((await swarm.client.restart(name, force=True, how=How(wait_s=0))).command_id)

    asking = asyncio.create_task(ask())
    for part in (40, 100, 160):
        await until(partial(_ended, swarm, asked, part), f"{part} results")
        process.kill()
        process = await swarm.spawn()
    await asking
    for last in range(240, 240 - 6, -1):  # of each service
        await until(partial(_ended, swarm, asked, last), "the last results")
    counts = [swarm.service(name).spec["TaskTemplate"]["ForceUpdate"] for name in names]
    assert ([40, 40, 40], [40, 40, 40]) == (counts, [swarm.replicas(name) for name in names])


async def _ended(swarm, asked: list[str], count: int) -> bool:
    return len(asked) >= count and await swarm.client.result(asked[count - 1]) is not None


async def test_a_standby_takes_over_from_a_scheduler_that_is_killed(swarm):
    first = await swarm.spawn()
    old = await swarm.active()
    await swarm.spawn()
    await until(lambda: _count(swarm, 2), "both")
    first.kill()
    done(await swarm.client.create(WEB, how=How(wait_s=60)))
    assert old.instance != (await swarm.active()).instance


async def test_a_standby_takes_over_at_once_from_a_scheduler_that_stops(swarm):
    swarm.start("one")
    await swarm.active()
    swarm.start("two")
    await until(lambda: _count(swarm, 2), "both")
    await swarm.stop("one")
    done(await swarm.client.create(WEB))
    assert "two" == (await swarm.active()).instance


async def test_a_scheduler_that_was_frozen_does_nothing_when_it_wakes(swarm):
    first = await swarm.spawn()
    await swarm.active()
    done(await swarm.client.create(WEB))
    await swarm.spawn()
    await until(lambda: _count(swarm, 2), "both")
    first.send_signal(signal.SIGSTOP)
    for count in range(3, 8):
        done(await swarm.client.scale("web", count, how=How(wait_s=60)))
    first.send_signal(signal.SIGCONT)
    await until(lambda: _actives(swarm, 1), "one active scheduler")
    done(await swarm.client.scale("web", 9))
    assert 9 == swarm.replicas("web")


async def test_commands_survive_a_kill_of_nats(swarm):
    swarm.start()
    await swarm.active()
    done(await swarm.client.create(WEB))
    waiting = [asyncio.create_task(_persist(swarm, count)) for count in range(1, 40)]
    await asyncio.sleep(0.05)
    await swarm.nats.kill()
    await asyncio.sleep(1)
    await swarm.nats.start()
    results = await asyncio.gather(*waiting)
    assert {ResultStatus.SUCCEEDED} == {result.status for result in results}


async def test_what_nats_forgets_right_after_the_ack_is_not_done_again(swarm):
    swarm.start()
    await swarm.active()
    done(await swarm.client.create(WEB))
    asked = (swarm.client.restart("web", force=True, how=How(id=f"r{number}", wait_s=60)) for number in range(30))
    assert {ResultStatus.SUCCEEDED} == {done(one).status for one in await asyncio.gather(*asked)}
    await swarm.nats.kill()
    await swarm.nats.start()
    await until(partial(_nothing_waits, swarm), "an empty queue")
    assert 30 == swarm.service("web").spec["TaskTemplate"]["ForceUpdate"]
    assert 31 == len((await swarm.client.commands()).items)


async def _nothing_waits(swarm) -> bool:
    with suppress(Unavailable):
        return not (await swarm.client.commands(status="pending")).items
    return False


async def test_a_command_waits_in_nats_while_no_scheduler_is_there(swarm):
    accepted = await swarm.client.create(WEB, how=How(wait_s=0))
    assert isinstance(accepted, Accepted)
    swarm.start()
    result = await until(lambda: swarm.client.result(accepted.command_id), "the result")
    assert result.changed


async def _persist(swarm, count: int):
    """As a client does: the same id until there is an answer."""
    while True:
        try:
            return done(await swarm.client.scale("web", count, how=How(id=f"c{count}", wait_s=60)))
        except Unavailable:
            await asyncio.sleep(0.2)


async def _count(swarm, count: int) -> bool:
    return len(await swarm.parts()) == count


async def _actives(swarm, count: int) -> bool:
    parts = await swarm.parts()
    return [True] * count == [part.active for part in parts if part.active] and len(parts) == 2
