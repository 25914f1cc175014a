"""Ten thousand tasks that fail, are restarted, and fail again: the poller stays within bounds, and the feed right."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from funswarm.messages import PartHealth
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.settings import NatsSettings
from services.bus.streams import bucket_stream
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.poller.pacing import BURST, RATE_PER_S
from tests.checker import bucket_of, events_of, problems_of
from tests.servers import nats_server
from tests.waiting import until

SERVICES, REPLICAS = 100, 100
LOOPS_S = 6.0  # each task fails about once more
MEMORY_MAX_MB = 400
PATIENCE_S = 300.0
CRASHES = {"Image": "busybox:1", "Command": ["false"]}


@dataclass
class Scene:
    """A poller and a Swarm as processes of their own, and ways to ask them."""

    bus: Bus
    engine: Engine
    poller: asyncio.subprocess.Process

    async def create(self, number: int) -> str:
        template = {"ContainerSpec": CRASHES, "RestartPolicy": {"Condition": "any", "Delay": 5 * 10**9}}
        mode = {"Replicated": {"Replicas": REPLICAS}}
        return (await self.engine.create_service({"Name": f"s{number}", "TaskTemplate": template, "Mode": mode}))[0]

    async def is_well(self) -> bool:
        answers = await self.bus.gather(self.bus.subjects.part_health, b"", 5.0, bool)
        return any(PartHealth.model_validate_json(answer).ok for answer in answers)

    async def has_looped(self) -> bool:
        """More tasks were told of than there are slots."""
        info = await call(self.bus.link, f"STREAM.INFO.{bucket_stream(self.bus.subjects.state_bucket)}")
        return int(info["state"]["num_subjects"]) > SERVICES * REPLICAS + 2 * SERVICES

    async def loops(self) -> bool:
        """Whether clearly more tasks are told than there are at once."""
        return await self._gauge("objects") > SERVICES * (REPLICAS + 3)

    async def is_at_rest(self) -> bool:
        """Only nodes and the engine are left, for the engine as for those who follow the feed; nothing is owed."""
        if await self.engine.list("task") or await self._gauge("owed"):
            return False
        return {kind for kind, _ in await bucket_of(self.bus)} == {"node", "engine"}

    async def _gauge(self, name: str) -> float:
        (page,) = await self.bus.gather(self.bus.subjects.part_metrics, b"", 30.0, bool)
        lines = page.decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"funswarm_poller_{name}{{"))

    def memory_mb(self) -> int:
        status = Path(f"/proc/{self.poller.pid}/status").read_text(encoding="utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) // 1024


@asynccontextmanager
async def process(*command: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m …`, killed at the end; its standard output is to be read."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, env=os.environ | variables, stdout=-1, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    path = folder / "docker.sock"
    host = f"unix://{path}"
    with nats_server(folder) as server:
        variables = {"FUNSWARM_PREFIX": "loops", "NATS_URL": server.url, "DOCKER_HOST": host}
        async with process("services.simulator", "--socket", str(path), "--nodes", "20") as simulator:
            assert simulator.stdout is not None
            assert await simulator.stdout.readline()
            async with process("services.poller", FUNSWARM_LIST_SHARE="0.2", **variables) as poller:
                bus = await Bus.connect(NatsSettings(url=server.url, prefix="loops"), "test")
                engine = await Engine.connect(EngineSettings(host=host, timeout_s=60, list_timeout_s=60))
                try:
                    await bus.declare()
                    yield Scene(bus, engine, poller)
                finally:
                    await engine.close()
                    await bus.close()


async def test_ten_thousand_tasks_in_crash_loops_are_bounded_and_right(tmp_path):
    async with scene(tmp_path) as swarm:
        began = time.monotonic()
        services = await asyncio.gather(*(swarm.create(number) for number in range(SERVICES)))
        await asyncio.sleep(LOOPS_S)
        await until(swarm.has_looped, "tasks to have failed again", PATIENCE_S, 0.5)
        assert await until(swarm.is_well, "the poller to answer that it is well")
        assert swarm.memory_mb() < MEMORY_MAX_MB

        await asyncio.gather(*map(swarm.engine.remove_service, services))
        await until(swarm.is_at_rest, "the tasks to be gone, and told", PATIENCE_S, 0.5)
        assert swarm.memory_mb() < MEMORY_MAX_MB
        assert [] == await problems_of(swarm.bus, swarm.engine)
        most = 3 * (BURST + RATE_PER_S * (time.monotonic() - began))  # a turn of an object gives up to three events
        events = await events_of(swarm.bus)
        told = Counter((event.kind, event.object_id) for event in events)
        assert max(told.values()) <= most
        per_s = Counter((event.kind, event.object_id, int(event.observed_at.timestamp())) for event in events)
        assert max(per_s.values()) <= 3 * (BURST + RATE_PER_S)
        assert len({key for key in told if key[0] == "task"}) > SERVICES * REPLICAS  # they did loop
