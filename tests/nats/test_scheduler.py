"""Commands from NATS to a (simulated) Swarm, over a real nats-server: each verb, refusals, requests, health."""

import asyncio
import json

import pytest

from funswarm.errors import FunswarmError, PermanentError
from funswarm.how import How
from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter, Result, ResultStatus
from funswarm.outcome import Accepted
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.state import COMMAND_LABEL
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.reading import read_stream
from tests.nats.scheduler_scene import Scene, done
from tests.waiting import PATIENCE_S, until


async def _web(swarm: Scene, **fields: object) -> Result:
    spec = ServiceSpec.model_validate({"name": "web", "image": "nginx:1", "replicas": 2, **fields})
    return done(await swarm.client.create(spec))


async def test_a_service_is_created(swarm):
    result = await _web(swarm)
    service = swarm.service("web")
    assert (ResultStatus.SUCCEEDED, service.id, result.command_id) == (
        result.status, result.service_id, service.spec["Labels"][COMMAND_LABEL],
    )  # fmt: skip


async def test_a_service_is_scaled_without_restarting_its_tasks(swarm):
    await _web(swarm)
    tasks = {task.id for task in swarm.cluster.store.tasks_of(swarm.service("web").id)}
    result = done(await swarm.client.scale("web", 5))
    assert (True, 5) == (result.changed, swarm.replicas("web"))
    assert tasks <= {task.id for task in swarm.cluster.store.tasks_of(swarm.service("web").id)}


async def test_a_service_is_updated_and_rolled_back(swarm):
    await _web(swarm)
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    await until(lambda: (swarm.service("web").update_status or 0) and _rollout(swarm) == "completed", "the rollout")
    result = done(await swarm.client.rollback("web"))
    image = swarm.service("web").spec["TaskTemplate"]["ContainerSpec"]["Image"]
    assert (True, "nginx:1") == (result.changed, image.partition("@")[0])


async def test_a_service_is_restarted(swarm):
    await _web(swarm)
    done(await swarm.client.restart("web"))
    assert 1 == swarm.service("web").spec["TaskTemplate"]["ForceUpdate"]


async def test_a_service_is_removed(swarm):
    await _web(swarm)
    assert done(await swarm.client.remove("web")).changed
    assert swarm.service("web") is None


async def test_a_job_runs_again_when_it_is_updated(swarm):
    await _web(swarm, mode="replicated-job", replicas=None, total=1)
    done(await swarm.client.update("web", ServicePatch(total=2)))
    assert 1 == swarm.service("web").job_status.iteration


@pytest.mark.parametrize("way", ["stream", "request"])
async def test_another_command_of_a_held_ones_id_is_a_conflict_when_nats_has_forgotten_the_id(swarm, swarm_bus, way):
    await _web(swarm, update_config={"delay": "1h", "monitor": "10ms"})
    await _web(swarm, name="api")
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    held = await swarm.client.scale("web", 5, how=How(id="c1", wait_s=0))
    await _forget_ids(swarm_bus)
    with pytest.raises(FunswarmError, match=r"another command \(scale web\) has had the id 'c1'"):
        if way == "stream":
            await swarm.client.scale("api", 9, how=How(id="c1", wait_s=PATIENCE_S))
        else:
            body = {"id": "c1", "verb": "scale", "target": "api", "replicas": 9}
            await swarm_bus.request(swarm_bus.subjects.request("scale"), json.dumps(body).encode(), PATIENCE_S)
    assert (Accepted("c1"), 2, None) == (held, swarm.replicas("api"), await swarm.client.result("c1"))


async def _forget_ids(bus: Bus) -> None:
    """As minutes later, when NATS does not know the commands' ids any more."""
    name = bus.subjects.commands_stream
    config = (await call(bus.link, f"STREAM.INFO.{name}"))["config"]
    await call(bus.link, f"STREAM.UPDATE.{name}", {**config, "duplicate_window": 10**8})  # 0.1 s

    message = (bus.subjects.command("scale", "web"), b"", {MSG_ID_HEADER: "later"}, name)
    first = await bus.publish(*message)

    async def forgotten() -> bool:
        return await bus.publish(*message) > first

    await until(forgotten, "NATS to forget an id", every_s=0.3)


async def test_a_rollout_holds_a_scale_until_it_settles(swarm):
    await _web(swarm, update_config={"delay": "1s", "monitor": "10ms"})
    done(await swarm.client.update("web", ServicePatch(image="nginx:2")))
    result = done(await swarm.client.scale("web", 5, how=How(wait_s=PATIENCE_S)))
    previous = swarm.service("web").previous_spec["TaskTemplate"]["ContainerSpec"]["Image"]
    assert (True, "nginx:2") == (result.changed, previous.partition("@")[0])


async def test_an_unknown_service_is_refused(swarm):
    result = done(await swarm.client.scale("wep", 1))
    assert (ResultStatus.REFUSED, Code.UNKNOWN_SERVICE) == (result.status, result.code)


async def test_a_service_is_not_found_by_the_beginning_of_its_id(swarm):
    created = await _web(swarm)
    result = done(await swarm.client.remove((created.service_id or "")[:10]))
    assert Code.UNKNOWN_SERVICE == result.code


async def test_the_engines_refusal_is_told(swarm):
    await _web(swarm, name="one", ports=["8000:80"])
    result = await _web(swarm, ports=["8000:80"])
    assert (ResultStatus.FAILED, Code.ENGINE) == (result.status, result.code)
    assert "8000" in (result.reason or "")


async def test_a_repeated_id_is_answered_and_not_done_again(swarm):
    await _web(swarm)
    first = done(await swarm.client.restart("web", how=How(id="same")))
    assert first == done(await swarm.client.restart("web", how=How(id="same")))
    assert 1 == swarm.service("web").spec["TaskTemplate"]["ForceUpdate"]


async def test_a_malformed_message_ends_as_dead_letter_and_result(swarm, swarm_bus):
    subjects = swarm_bus.subjects
    await swarm_bus.publish(
        subjects.command("scale", "web"), b'{"id": "bad"}', {MSG_ID_HEADER: "bad"}, subjects.commands_stream
    )
    result = await until(lambda: swarm.client.result("bad"), "the result")
    letters = [
        DeadLetter.model_validate_json(stored.body) async for stored in read_stream(swarm_bus, subjects.dead_stream)
    ]
    assert (ResultStatus.REFUSED, ['{"id": "bad"}']) == (result.status, [letter.body for letter in letters])


async def test_nothing_is_left_in_the_queue(swarm, swarm_bus):
    await _web(swarm)
    await asyncio.gather(*(swarm.client.scale("web", count) for count in range(1, 30)))

    async def left() -> list[str]:
        return [stored.subject async for stored in read_stream(swarm_bus, swarm_bus.subjects.commands_stream)]

    async def empty() -> bool:
        return not await left()

    await until(empty, "an empty queue")


async def test_a_command_can_be_asked_in_one_request(swarm, swarm_bus):
    await _web(swarm)
    body = {"id": "r1", "verb": "scale", "target": "web", "replicas": 4}
    answer = await swarm_bus.request(swarm_bus.subjects.request("scale"), json.dumps(body).encode(), PATIENCE_S)
    assert (ResultStatus.SUCCEEDED, 4) == (Result.model_validate_json(answer).status, swarm.replicas("web"))


async def test_a_request_for_another_verb_is_refused(swarm, swarm_bus):
    body = {"id": "r1", "verb": "remove", "target": "web"}
    with pytest.raises(PermanentError, match=r"request\.remove"):
        await swarm_bus.request(swarm_bus.subjects.request("scale"), json.dumps(body).encode(), PATIENCE_S)


async def test_the_scheduler_tells_how_it_is(swarm):
    async def well() -> bool:
        return any(p.ok and p.active and p.part == "scheduler" and p.engine for p in await swarm.parts())

    await until(well, "a healthy scheduler")


async def test_the_scheduler_has_metrics(swarm):
    await _web(swarm)
    counted = 'funswarm_scheduler_results_total{instance="one",code="",status="succeeded",verb="create"} 1.0'

    async def told() -> bool:
        return counted in await swarm.client.metrics()

    await until(told, "the result to be counted")


def _rollout(swarm: Scene) -> str:
    return str(swarm.service("web").update_status.state)


async def test_a_job_is_run_again(swarm):
    await _web(swarm, mode="replicated-job", replicas=None)
    result = done(await swarm.client.run("web"))
    assert (True, 1) == (result.changed, swarm.service("web").job_status.iteration)


async def test_a_drained_node_gives_its_tasks_away_and_gets_some_again_when_it_is_active(swarm):
    await _web(swarm, replicas=3)
    node = next(iter(swarm.cluster.store.nodes.values()))

    def on_node() -> int:
        return sum(task.wanted for task in swarm.cluster.store.tasks_on(node.id))

    await until(lambda: on_node() == 1, "one task on each node")
    drained = done(await swarm.client.drain(node.hostname))
    assert (True, node.id) == (drained.changed, drained.node_id)
    await until(lambda: on_node() == 0, "the node is empty")
    done(await swarm.client.activate(node.id))
    done(await swarm.client.scale("web", 6))
    await until(lambda: on_node() > 0, "the node gets tasks again")


async def test_a_dry_run_foresees_where_tasks_would_be(swarm):
    result = done(
        await swarm.client.create(ServiceSpec(name="web", image="nginx:1", replicas=3), how=How(dry_run=True))
    )
    assert result.preview is not None
    assert (True, 3) == (result.preview.fits, sum(one.tasks for one in result.preview.placements))
