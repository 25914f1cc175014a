"""Autoscaling at work: a real nats-server with consumers that lag, a simulated Swarm, a poller, a scheduler."""

import asyncio
from typing import Any

import pytest

from funswarm.commands import Command, ScaleCommand
from funswarm.decisions import Decision
from funswarm.errors import InvalidRequest, Unavailable, UnknownObject
from funswarm.gauges import Push
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.spec_parts import RolloutConfig
from services.bus.connection import Bus
from services.bus.gauges import consumer_lag, consumer_lags
from services.bus.jetstream import call
from services.bus.settings import NatsSettings
from services.scheduler.policies.autoscale import policy
from services.scheduler.policies.autoscale.agenda import TOGETHER_MIN
from services.scheduler.policies.autoscale.gauges import NatsGauges
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.readers import Readers
from services.scheduler.store import NatsStore
from tests.nats.scheduler_scene import Scene, at_work, done
from tests.prometheus import a_number, prometheus
from tests.waiting import until

LAG = {"lag": "10", "stream": "ORDERS", "consumer": "work"}
PUSH = {"push": "10"}
AT_ONCE_DOWN = {"down-window": "0s", "down-percent": "100", "down-period": "1s"}


def web(**labels: str) -> ServiceSpec:
    named = {f"funswarm.autoscale.{key}": value for key, value in {"enable": "true", **labels}.items()}
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": 1, "labels": named})


@pytest.fixture
async def metrics():
    async with prometheus() as there:
        yield there


@pytest.fixture
async def swarm(monkeypatch, metrics):
    def only_autoscale(bus: Bus, *_: object) -> tuple[Autoscale, ...]:
        return (Autoscale(NatsGauges(bus, Readers(bus, metrics.url))),)

    monkeypatch.setattr("services.scheduler.policies.start.policies", only_autoscale)
    async with at_work() as running:
        yield running


@pytest.fixture
async def bus(swarm: Scene):
    found = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")
    yield found
    await found.close()


async def orders(bus: Bus, count: int) -> None:
    """A stream of orders that a consumer has not begun to work off."""
    await call(bus.link, "STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders"]})
    config = {"durable_name": "work", "ack_policy": "explicit"}
    await call(bus.link, "CONSUMER.DURABLE.CREATE.ORDERS.work", {"stream_name": "ORDERS", "config": config})
    await more_orders(bus, 0, count)


async def more_orders(bus: Bus, first: int, count: int) -> None:
    for number in range(first, first + count):
        await bus.publish("orders", b"{}", {"Nats-Msg-Id": f"o{number}"}, "ORDERS")


async def pushed(swarm: Scene, push: Push) -> bool:
    """Whether the scheduler follows the service already, and takes it."""
    try:
        await swarm.client.push("web", push)
    except (UnknownObject, Unavailable):
        return False
    return True


async def told(swarm: Scene, words: str) -> list[Decision]:
    page = await swarm.client.decisions("web", policy="autoscale")
    return [one for one in page.items if words in one.reason]


async def limited(swarm: Scene, words: str) -> bool:
    page = await swarm.client.decisions("web", policy="autoscale")
    return any(words in (one.limiter or "") for one in page.items)


def tasks_of(swarm: Scene) -> list[Any]:
    """Those of web that are wanted."""
    tasks = swarm.cluster.store.tasks.values()
    return [task for task in tasks if task.service_id == swarm.service("web").id and task.wanted]


async def commanded(swarm: Scene) -> list[Decision]:
    page = await swarm.client.decisions("web", policy="autoscale")
    return [one for one in page.items if one.command_id is not None]


async def test_a_consumer_that_lags_gets_more_tasks(swarm, bus):
    await orders(bus, 10)
    done(await swarm.client.create(web(**LAG)))
    await until(lambda: told(swarm, "lag wants 1"), "a first decision")
    await more_orders(bus, 10, 20)
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_what_is_not_acknowledged_counts_too(swarm, bus):
    await orders(bus, 3)
    got = asyncio.Event()

    async def take(_: object) -> None:
        got.set()

    await bus.link.subscribe("tests.got", take)
    await bus.link.send("$JS.API.CONSUMER.MSG.NEXT.ORDERS.work", b"1", "tests.got")
    await asyncio.wait_for(got.wait(), 60)
    info: dict[str, Any] = await call(bus.link, "CONSUMER.INFO.ORDERS.work")
    assert (2, 1) == (info["num_pending"], info["num_ack_pending"])
    assert 3 == await consumer_lag(bus, "ORDERS", "work")


async def test_lags_of_hundreds_of_consumers_are_read_in_pages(bus):
    await orders(bus, 3)
    names = [f"work-{number}" for number in range(300)]
    for name in names:
        config = {"durable_name": name, "ack_policy": "explicit"}
        await call(bus.link, f"CONSUMER.DURABLE.CREATE.ORDERS.{name}", {"stream_name": "ORDERS", "config": config})
    assert dict.fromkeys(names, 3) == await consumer_lags(bus, "ORDERS", {*names, "lost"})
    assert {} == await consumer_lags(bus, "ORDERS", {"work-1"})  # too many others


async def test_several_services_that_one_stream_s_consumers_scale_are_each_scaled_by_their_own(swarm, bus):
    await orders(bus, 5)
    names = [f"work-{number}" for number in range(TOGETHER_MIN)]
    for name in names:
        config = {"durable_name": name, "ack_policy": "explicit"}
        await call(bus.link, f"CONSUMER.DURABLE.CREATE.ORDERS.{name}", {"stream_name": "ORDERS", "config": config})
        labelled = web(**{**LAG, "lag": "5", "consumer": name}).model_copy(update={"name": name})
        done(await swarm.client.create(labelled))
    await more_orders(bus, 5, 5)
    for name in names:
        await until(lambda: swarm.replicas(name) == 2, "two replicas of each")  # noqa: B023


async def test_without_the_consumer_it_says_so_and_stays(swarm):
    done(await swarm.client.create(web(**LAG)))
    decision = (await until(lambda: told(swarm, "stream not found"), "the decision"))[0]
    assert (1, None) == (decision.before, decision.command_id)


async def test_what_prometheus_says_scales(swarm, metrics):
    metrics.answer = a_number(30)
    done(await swarm.client.create(web(query="sum(up)", **{"query-target": "10"})))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_where_the_stream_vanishes_it_stays_until_the_fallback_holds(swarm, bus, monkeypatch):
    monkeypatch.setattr(policy, "ROUND_S", 1.0)
    await orders(bus, 30)
    done(await swarm.client.create(web(fallback="4", **AT_ONCE_DOWN, **LAG)))
    await until(lambda: swarm.replicas("web") == 3, "three replicas")
    await call(bus.link, "STREAM.DELETE.ORDERS")
    await until(lambda: swarm.replicas("web") != 3, "the fallback")

    async def fallen_back() -> list[Decision]:
        return [one for one in await commanded(swarm) if "nothing could be read" in one.reason]

    decision = (await until(fallen_back, "the decision"))[0]
    assert (3, 4) == (decision.before, decision.after)


async def test_a_number_that_is_pushed_scales(swarm):
    done(await swarm.client.create(web(**PUSH)))
    await until(lambda: pushed(swarm, Push(value=40)), "the push")
    await until(lambda: swarm.replicas("web") == 4, "four replicas")
    decision = (await until(lambda: commanded(swarm), "the decision"))[0]
    assert ("push: ceil(40 / 10) = 4", "scale") == (decision.formula, decision.verb)


async def test_a_step_scales_once(swarm):
    done(await swarm.client.create(web(**{"step-up": "2"})))
    await until(lambda: pushed(swarm, Push(step="up")), "the step")
    await until(lambda: swarm.replicas("web") == 3, "three replicas")


async def test_who_pushes_is_told_what_is_wrong(swarm):
    done(await swarm.client.create(web(**PUSH)))
    await until(lambda: pushed(swarm, Push(value=1)), "the push")
    with pytest.raises(UnknownObject, match="no autoscaled service"):
        await swarm.client.push("db", Push(value=1))
    with pytest.raises(InvalidRequest, match="step-up"):
        await swarm.client.push("web", Push(step="up"))


async def test_a_successor_leaves_it_as_it_is_until_it_knows(swarm, monkeypatch):
    monkeypatch.setattr(policy, "ROUND_S", 1.0)
    done(await swarm.client.create(web(**PUSH)))
    await until(lambda: pushed(swarm, Push(value=40)), "the push")
    await until(lambda: swarm.replicas("web") == 4, "four replicas")
    await swarm.stop()
    swarm.start("two")
    await swarm.active()
    await until(lambda: told(swarm, "nothing was pushed yet"), "its decision")
    assert 4 == swarm.replicas("web")


async def test_a_rollout_that_began_is_brought_to_its_end_first(swarm):
    slowly = RolloutConfig(parallelism=1, delay=1, monitor=1)
    done(await swarm.client.create(web(**PUSH).model_copy(update={"replicas": 2, "update_config": slowly})))
    await until(lambda: pushed(swarm, Push(value=20)), "the push")
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    await swarm.client.push("web", Push(value=40))
    old: list[str] = []

    def scaled() -> bool:
        old[:] = [task.id for task in tasks_of(swarm) if task.spec["ContainerSpec"]["Image"] == "nginx:1"]
        count: int = swarm.replicas("web")
        return count == 4

    await until(scaled, "four replicas", every_s=0.05)
    assert [] == old


async def test_a_user_s_hand_is_left_alone(swarm, monkeypatch):
    monkeypatch.setattr(policy, "ROUND_S", 1.0)
    done(await swarm.client.create(web(**PUSH)))
    await until(lambda: pushed(swarm, Push(value=40)), "the push")
    await until(lambda: swarm.replicas("web") == 4, "four replicas")
    done(await swarm.client.scale("web", 2))
    await until(lambda: limited(swarm, "left to whoever wrote it"), "the decision")
    assert 2 == swarm.replicas("web")


async def test_what_was_decided_by_one_that_died_is_done_once(swarm, monkeypatch):
    sent = []

    async def lost(_: NatsStore, command: Command, __: str | None) -> None:
        sent.append(command)
        raise Unavailable("the network is away just now")

    done(await swarm.client.create(web(**PUSH)))
    with monkeypatch.context() as patch:
        patch.setattr(NatsStore, "submit", lost)
        await until(lambda: pushed(swarm, Push(value=40)), "the push")
        await until(lambda: sent, "a command that is lost")
        await swarm.stop()
    assert 1 == swarm.replicas("web")
    swarm.start("two")
    await until(lambda: swarm.replicas("web") == 4, "four replicas")
    assert sent[0].id == swarm.service("web").spec["Labels"]["funswarm.command"]


async def test_the_command_is_a_policy_s(swarm):
    done(await swarm.client.create(web(**PUSH)))
    await until(lambda: pushed(swarm, Push(value=40)), "the push")
    decision = (await until(lambda: commanded(swarm), "the decision"))[0]
    result = await until(lambda: swarm.client.result(decision.command_id), "its result")
    assert ("policy/autoscale", ScaleCommand.model_fields["verb"].default) == (result.requested_by, result.verb)
