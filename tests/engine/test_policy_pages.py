"""The stack files of docs/depends-on.md, keep.md, rebalance.md, autoscale.md and wake.md do what they say, on a real
engine.
"""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from funswarm import check
from funswarm.client import Client
from funswarm.decisions import Decision
from funswarm.errors import UnknownObject
from funswarm.gauges import TaskUse, Usage
from funswarm.how import How
from services.agent.loop import tell
from services.bus.connection import Bus
from services.bus.gauges import hear
from services.bus.jetstream import call
from services.bus.sessions import SessionBucket
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.scheduler.policies.autoscale.gauges import NatsGauges
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.readers import Readers
from services.scheduler.policies.contract import Policy
from services.scheduler.policies.crash_loop import CrashLoop
from services.scheduler.policies.depends_on import DependsOn
from services.scheduler.policies.drain import Drain
from services.scheduler.policies.group import Group
from services.scheduler.policies.keep import Keep
from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.wake import Wake
from services.scheduler.policies.wake_sessions import SessionBook
from testbed import images
from testbed.engine import client_environment, remove_stack, write_services
from testbed.shell import SetupError, say
from tests.engine.conftest import dockerd
from tests.nats.api_scene import serving
from tests.nats.scheduler_scene import scene
from tests.waiting import until

DOCS = Path(__file__).parents[2] / "docs"
PATIENCE_S = 180.0


def stacks(page: str) -> list[str]:
    """The stack files of a page, with an image that is there."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("busybox:1.36", images.BUSYBOX.tag)
    return re.findall(r"^```yaml\n(services:.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


class Swarm:
    """The engine of the machine, watched and written to by a poller and a scheduler of the test's own."""

    def __init__(self, host: str, engine: Engine, client: Client, nats_url: str) -> None:
        self._host = host
        self.engine = engine
        self.client = client
        self.nats_url = nats_url
        self.name = f"t-pages-{uuid.uuid4().hex[:8]}"

    async def docker(self, *arguments: str) -> None:
        env = client_environment(self._host, os.environ)
        await asyncio.to_thread(write_services, "docker", *arguments, env=env, timeout_s=PATIENCE_S)

    def remove(self) -> None:
        try:
            remove_stack(self._host, self.name)
        except SetupError as error:  # no failure of the test, and no other has its name
            say(f"something of {self.name} is left: {error}")

    async def deploy(self, stack: str, folder: Path) -> None:
        file = folder / "stack.yml"
        file.write_text(f'version: "3.8"\n{stack}', encoding="utf-8")
        await self.docker("stack", "deploy", "--resolve-image", "never", "--compose-file", str(file), self.name)

    async def spec(self, service: str) -> dict[str, Any]:
        raw = await self.engine.service_json(f"{self.name}_{service}")
        assert raw is not None
        spec: dict[str, Any] = raw["Spec"]
        return spec

    async def replicas(self, service: str) -> int:
        count: int = (await self.spec(service))["Mode"]["Replicated"]["Replicas"]
        return count


@pytest.fixture
def real_engine() -> Iterator[str]:
    with dockerd() as host:
        yield host


@pytest.fixture
async def swarm(real_engine: str, monkeypatch) -> AsyncIterator[Swarm]:
    def mine(bus: Bus, *_: object) -> tuple[Policy[Any, Any], ...]:
        sessions = SessionBook(SessionBucket(bus))
        autoscale = Autoscale(NatsGauges(bus, Readers(bus, None)), sessions)
        return (Drain(), Rebalance(), CrashLoop(), DependsOn(), Group(), Wake(sessions), autoscale, Keep(bus))

    monkeypatch.setattr("services.scheduler.policies.start.policies", mine)
    async with scene() as running:
        running.host = real_engine
        running.start()
        await running.active()
        running.start_poller()
        engine = await Engine.connect(EngineSettings(host=real_engine))
        swarm = Swarm(real_engine, engine, running.client, running.nats.url)
        try:
            yield swarm
        finally:
            try:
                await running.close()  # before something is removed that would be restored
            finally:
                await asyncio.to_thread(swarm.remove)
                await engine.close()


async def test_services_start_when_what_they_depend_on_is_there(swarm, tmp_path):
    await swarm.deploy(stacks("depends-on.md")[0], tmp_path)

    async def started():
        return 2 == await swarm.replicas("web")

    await until(started, "two replicas", PATIENCE_S)
    decision = await told(swarm, "web", "all that it depends on is there")
    assert (0, 2) == (decision.before, decision.after)


async def told(swarm: Swarm, service: str, reason: str) -> Decision:
    """Once it is told: a decision is told after its command was sent."""

    async def found():
        items = (await swarm.client.decisions(f"{swarm.name}_{service}")).items
        return next((one for one in items if one.reason == reason), None)

    decision: Decision | None = await until(found, reason, PATIENCE_S)
    assert decision is not None
    return decision


async def test_a_group_starts_together(swarm, tmp_path):
    await swarm.deploy(stacks("depends-on.md")[1], tmp_path)

    async def started():
        return [await swarm.replicas("front"), await swarm.replicas("back")] == [2, 1]

    await until(started, "the group", PATIENCE_S)


async def test_what_is_changed_past_funswarm_is_restored(swarm, tmp_path):
    await swarm.deploy(stacks("keep.md")[0], tmp_path)
    name = f"{swarm.name}_web"

    async def runs():
        return any(one.name == name and one.running == 2 for one in (await swarm.client.health()).services)

    await until(runs, "the service in the feed", PATIENCE_S)
    await swarm.docker("service", "update", "--detach", "--args", "sleep 5000", "--env-add", "A=1", name)

    async def restored():
        container = (await swarm.spec("web"))["TaskTemplate"]["ContainerSpec"]
        return bool(container["Args"] == ["sleep", "100000"] and "Env" not in container)

    async def decided():
        return bool((await swarm.client.decisions(name, policy="keep")).items)

    await until(decided, "a decision", PATIENCE_S)
    await until(restored, "what was", PATIENCE_S)


async def test_a_service_is_rebalanced_by_command_as_far_as_its_nodes_go(swarm, tmp_path):
    await swarm.deploy(stacks("rebalance.md")[0], tmp_path)
    name = f"{swarm.name}_web"

    async def runs():
        return any(one.name == name and one.running == 6 for one in (await swarm.client.health()).services)

    await until(runs, "six tasks", PATIENCE_S)
    check(await swarm.client.rebalance(name, how=How(wait_s=PATIENCE_S)))

    async def ended():
        return "funswarm.rebalance.now" not in (await swarm.spec("web"))["Labels"]

    await until(ended, "the end of it", PATIENCE_S)
    await told(swarm, "web", "its tasks are spread as evenly as can be")


async def orders(nats_url: str, count: int) -> None:
    """So many messages that a consumer has not begun to work off."""
    bus = await Bus.connect(NatsSettings(url=nats_url), "tests")
    await call(bus.link, "STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders"]})
    config = {"durable_name": "work", "ack_policy": "explicit"}
    await call(bus.link, "CONSUMER.DURABLE.CREATE.ORDERS.work", {"stream_name": "ORDERS", "config": config})
    for number in range(count):
        await bus.publish("orders", b"{}", {"Nats-Msg-Id": f"o{number}"}, "ORDERS")
    await bus.close()


async def test_a_worker_has_as_many_tasks_as_its_consumer_lags_also_after_a_deploy(swarm, tmp_path):
    await orders(swarm.nats_url, 250)
    await swarm.deploy(stacks("autoscale.md")[0], tmp_path)

    async def three():
        return 3 == await swarm.replicas("worker")

    await until(three, "three replicas", PATIENCE_S)
    await swarm.deploy(stacks("autoscale.md")[0], tmp_path)

    async def put_right():
        items = (await swarm.client.decisions(f"{swarm.name}_worker", policy="autoscale")).items
        return any("deployed anew" in one.reason and one.command_id for one in items)

    await until(put_right, "the decision", PATIENCE_S)
    await until(three, "three replicas again", PATIENCE_S)


async def test_an_agent_tells_what_tasks_use(swarm, tmp_path):
    heard: dict[str, TaskUse] = {}
    bus = await Bus.connect(NatsSettings(url=swarm.nats_url), "tests")
    await hear(bus, bus.subjects.usage(None), lambda _, body: heard.update(Usage.model_validate_json(body).tasks))
    await swarm.deploy(stacks("keep.md")[0], tmp_path)
    telling = asyncio.create_task(tell(bus, swarm.engine, 0.5))

    async def used():
        with suppress(UnknownObject):  # the poller does not know it yet
            tasks = await swarm.client.tasks(service=f"{swarm.name}_web")
            return [heard[task.id] for task in tasks if task.id in heard]

    found = await until(used, "what its tasks use", PATIENCE_S)
    telling.cancel()
    await asyncio.wait({telling})
    await bus.close()
    assert found[0].memory_bytes > 0


async def test_a_service_runs_while_somebody_asks_for_it(swarm, tmp_path):
    await swarm.deploy(stacks("wake.md")[0], tmp_path)
    async with serving(swarm.nats_url) as http:

        async def woken():
            asked = "group=site&session_duration=3s&timeout=3m"
            answer = await http.get(f"/api/strategies/blocking?{asked}", timeout=2 * PATIENCE_S)
            return answer.headers.get("X-Sablier-Session-Status") == "ready"  # without: the feed is not known yet

        assert 0 == await swarm.replicas("site")
        await until(woken, "its task", PATIENCE_S)

    async def asleep():
        return 0 == await swarm.replicas("site")

    await until(asleep, "its sleep", PATIENCE_S)

    async def explained():
        page = await swarm.client.decisions(f"{swarm.name}_site", policy="wake")
        return {"somebody asks for it", "nobody asks for it any more"} <= {one.reason for one in page.items}

    await until(explained, "both decisions", PATIENCE_S)
