"""Keep, crash-loop, depends-on and group at work: a real nats-server, a simulated Swarm, a poller, a scheduler."""

import json

import pytest

from funswarm.decisions import Decision
from funswarm.spec import ServicePatch, ServiceSpec
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from tests.nats.scheduler_scene import Scene, at_work, done
from tests.waiting import until


def described(name: str, **others) -> ServiceSpec:
    labels = {f"funswarm.{key}": value for key, value in others.pop("labels", {}).items()}
    return ServiceSpec.model_validate({"name": name, "image": "nginx:1", "labels": labels, **others})


KEPT = described("web", replicas=2, env={"PASSWORD": "s3cret"}, labels={"keep": "true"})


@pytest.fixture
async def swarm():
    async with at_work() as running:
        yield running


@pytest.fixture
async def outside(swarm: Scene):
    """The engine, as everybody reaches it who has Docker's socket."""
    engine = await Engine.connect(EngineSettings(host=swarm.host))
    yield engine
    await engine.close()


async def update_outside(outside: Engine, **container) -> None:
    raw = await outside.service_json("web")
    assert raw is not None
    spec = raw["Spec"]
    template = spec["TaskTemplate"]
    changed = {**template, "ContainerSpec": {**template["ContainerSpec"], **container}}
    await outside.update_service(raw["ID"], raw["Version"]["Index"], {**spec, "TaskTemplate": changed})


def container(swarm: Scene, name: str = "web"):
    return swarm.service(name).spec["TaskTemplate"]["ContainerSpec"]


async def told(swarm: Scene, service: str, policy: str) -> tuple[Decision, ...]:
    return (await swarm.client.decisions(service, policy=policy)).items


async def known(swarm: Scene, name: str, running: int = 2) -> None:
    """Once so many of its tasks run, as the feed tells, and it is remembered as what is to be kept."""
    bus = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")

    async def seen() -> bool:
        services = (await swarm.client.health()).services
        kept = [json.loads(one.body) for one in await PolicyBucket(bus).memories()]
        remembered = any(one["service"] == name and "keep" in one["memories"] for one in kept)
        return remembered and any((one.name, one.running) == (name, running) for one in services)

    await until(seen, f"{name} in the feed")
    await bus.close()


async def test_a_change_past_funswarm_is_undone_with_all_that_was_secret(swarm, outside):
    done(await swarm.client.create(KEPT))
    await known(swarm, "web")
    await update_outside(outside, Image="nginx:2", Env=["PASSWORD=other"])
    await until(lambda: told(swarm, "web", "keep"), "a decision")
    await until(lambda: container(swarm)["Image"].startswith("nginx:1"), "the image of before")
    assert ["PASSWORD=s3cret"] == container(swarm)["Env"]
    assert "TaskTemplate.ContainerSpec.Image" in (await told(swarm, "web", "keep"))[0].reason


async def test_a_change_by_a_command_stays(swarm):
    done(await swarm.client.create(KEPT))
    await known(swarm, "web")
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    done(await swarm.client.scale("web", 3))
    assert () == await told(swarm, "web", "keep")


async def test_a_service_that_was_removed_past_funswarm_is_made_again(swarm, outside):
    done(await swarm.client.create(KEPT))
    done(await swarm.client.scale("web", 3))
    await known(swarm, "web", 3)
    first = swarm.service("web").id
    await outside.remove_service(first)
    await until(lambda: swarm.service("web") is not None, "the service")
    assert (True, 3, ["PASSWORD=s3cret"]) == (
        first != swarm.service("web").id, swarm.replicas("web"), container(swarm)["Env"],
    )  # fmt: skip


async def test_it_is_made_again_by_a_successor_too(swarm, outside):
    done(await swarm.client.create(KEPT))
    await known(swarm, "web")
    await swarm.stop()
    await outside.remove_service(swarm.service("web").id)
    swarm.start("two")
    await until(lambda: swarm.service("web") is not None, "the service")


async def test_a_service_that_a_command_removed_stays_so(swarm):
    done(await swarm.client.create(KEPT))
    await known(swarm, "web")
    done(await swarm.client.remove("web"))
    await swarm.stop()
    swarm.start("two")  # it has to look into the audit
    bus = await Bus.connect(NatsSettings(url=swarm.nats.url), "tests")

    async def forgotten() -> bool:
        return not await PolicyBucket(bus).memories()

    await until(forgotten, "its end")
    await bus.close()
    assert (None, ()) == (swarm.service("web"), await told(swarm, "web", "keep"))


async def test_services_start_in_the_order_of_their_health(swarm):
    labels = {"depends-on": "db:healthy", "depends-on.replicas": "2"}
    done(await swarm.client.create(described("web", replicas=0, labels=labels)))
    await until(lambda: told(swarm, "web", "depends-on"), "why it waits")
    assert 0 == swarm.replicas("web")
    done(await swarm.client.create(described("db")))
    await until(lambda: swarm.replicas("web") == 2, "two replicas")


async def test_a_group_starts_together(swarm):
    labels = {"group": "shop", "group.size": "2", "group.replicas": "2"}
    done(await swarm.client.create(described("a", replicas=0, labels=labels)))
    await until(lambda: told(swarm, "a", "group"), "why it waits")
    done(await swarm.client.create(described("b", replicas=0, labels=labels)))
    await until(lambda: [swarm.replicas("a"), swarm.replicas("b")] == [2, 2], "both with two replicas")


async def test_a_group_without_room_does_not_start_and_says_why(swarm):
    labels = {"group": "shop", "group.size": "1", "group.replicas": "2"}
    reservations = {"reservations": {"memory": "1T"}}
    done(await swarm.client.create(described("a", replicas=0, labels=labels, resources=reservations)))
    decision = (await until(lambda: told(swarm, "a", "group"), "why it does not start"))[0]
    assert "insufficient resources" in (decision.limiter or "")
    assert 0 == swarm.replicas("a")


async def test_a_crash_loop_is_explained_and_stopped_where_that_is_asked(swarm):
    labels = {"crash-loop": "true", "crash-loop.after": "3", "crash-loop.action": "stop"}
    policy = {"condition": "any", "delay": "10ms"}
    crashing = described("web", command=["false"], restart_policy=policy, labels=labels)
    done(await swarm.client.create(crashing.model_copy(update={"image": "busybox:1"})))
    await until(lambda: swarm.replicas("web") == 0, "no replicas")

    async def explained() -> bool:
        return any("tasks failed within 600 s" in one.reason for one in await told(swarm, "web", "crash-loop"))

    await until(explained, "the reason")
