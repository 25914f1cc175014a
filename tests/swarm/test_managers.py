"""A Swarm of three managers in which things fail: the feed of a poller beside one of them stays whole."""

import asyncio
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from funswarm import Client, FunswarmError, Unavailable, UnknownObject
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from testbed import engine as host_engine
from testbed import images
from testbed import swarm as testbed_swarm
from testbed.node import Node, kill_dockerd, kill_node, start_dockerd, start_node
from testbed.shell import wait_for
from testbed.swarm import Swarm
from tests.report import ran_against
from tests.servers import NatsServer, nats_server
from tests.swarm.conftest import take_down, until_right
from tests.waiting import until

NAME = "funswarm-test-managers"
PATIENCE_S = 180.0
POLLER = PollerSettings(instance="poller-1", version="0", interval_min_s=0.5, list_share=0.2)
FAULTS = ("poller", "nats") * 8 + ("engine", "power")

log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def managers() -> Iterator[Swarm]:
    images.ensure(host_engine.start())
    made = testbed_swarm.up(NAME, nodes=3, managers=3, fresh=True)
    ran_against("swarm", "a Swarm of 3 managers")
    try:
        testbed_swarm.load(made, (images.BUSYBOX.tag,))
        yield made
    finally:
        take_down(made)


def create(manager: Node, name: str) -> None:
    """A service of three sleepers; while there is no leader, Swarm says no."""
    present = ("service", "ls", "--quiet", f"--filter=name={name}")
    new = ("service", "create", "--detach", "--no-resolve-image", "--replicas=3", f"--name={name}")

    def created() -> bool:
        if not manager.docker(*present):
            manager.docker(*new, images.BUSYBOX.tag, "sleep", "3600")
        return True

    wait_for(created, f"a leader that creates {name}", PATIENCE_S, log=manager.log)


async def seen(client: Client, manager: str, service: str, *, leads: bool, state: str | None = None) -> None:
    """Returns when the poller knows whether that manager leads, its state, and three running tasks of the service."""

    async def known() -> bool:
        with suppress(Unavailable, UnknownObject):  # the poller has just begun
            node = await client.node(manager)
            tasks = await client.tasks(service=service)
            running = [task for task in tasks if task.state == task.desired_state == "running"]
            return node.leader == leads and state in (None, node.state) and len(running) == 3
        return False

    what = f"{manager} to be {state} (leader: {leads}) and 3 running tasks of {service}"
    await until(known, what, PATIENCE_S, 0.5)


@pytest.mark.timeout(1800)
async def test_the_feed_stays_whole_when_the_leader_loses_power(managers: Swarm, tmp_path: Path):
    leader, manager, _ = managers.nodes
    with nats_server(tmp_path) as server:
        nats, stop = NatsSettings(url=server.url), asyncio.Event()
        polling = asyncio.create_task(run_poller(nats, EngineSettings(host=manager.host), POLLER, stop))
        try:
            async with Client(server.url) as client:
                await asyncio.to_thread(create, manager, "before")
                await seen(client, leader.name, "before", leads=True, state="ready")
                await asyncio.to_thread(kill_node, leader)
                await asyncio.to_thread(create, manager, "after")
                await seen(client, leader.name, "after", leads=False)
                await asyncio.to_thread(start_node, leader)
                await seen(client, leader.name, "after", leads=False, state="ready")
            await until_right(nats, manager)
        finally:
            stop.set()
            await polling


class Chaos:
    """What fails, in an order by a seed. The last manager never does: two of three are there at any time."""

    def __init__(self, swarm: Swarm, server: NatsServer, seed: int, folder: Path) -> None:
        self._log = folder / "poller.log"
        self.leader, self.beside, self.spared = swarm.nodes
        self.server, self.random = server, random.Random(seed)
        self.writes = 0
        self._poller: asyncio.subprocess.Process | None = None

    async def start_poller(self) -> None:
        where = {"NATS_URL": self.server.url, "DOCKER_HOST": self.beside.host, "FUNSWARM_LIST_SHARE": "0.2"}
        with self._log.open("wb") as said:
            self._poller = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.poller", env=os.environ | where, stderr=said
            )

    async def kill_poller(self) -> None:
        assert self._poller is not None
        assert self._poller.returncode is None, f"the poller ended by itself: {self._log.read_text()[-3000:]}"
        self._poller.kill()
        await self._poller.wait()

    async def work(self) -> None:
        """Users write, for ever."""
        engine = await Engine.connect(EngineSettings(host=self.spared.host))
        try:
            for number in range(10_000):
                await asyncio.sleep(self.random.uniform(0, 0.5))
                with suppress(FunswarmError):
                    await self._write(engine, f"chaos{number}")
                    self.writes += 1
        finally:
            await engine.close()

    async def _write(self, engine: Engine, name: str) -> None:
        services = await engine.list("service")
        replicas = {"Replicated": {"Replicas": self.random.randint(0, 3)}}
        if len(services) < 6:
            container = {"Image": images.BUSYBOX.tag, "Command": ["sleep", "3600"], "StopGracePeriod": 10**8}
            await engine.create_service({"Name": name, "TaskTemplate": {"ContainerSpec": container}, "Mode": replicas})
            return
        raw = await engine.service_json(self.random.choice(services).id)
        if raw is not None and self.random.random() < 0.5:
            await engine.update_service(raw["ID"], raw["Version"]["Index"], raw["Spec"] | {"Mode": replicas})
        elif raw is not None:
            await engine.remove_service(raw["ID"])

    async def fail(self, fault: str) -> None:
        await asyncio.sleep(self.random.uniform(0, 1.5))
        match fault:
            case "poller":
                await self.kill_poller()
                await self.start_poller()
            case "nats":
                self.server.kill()
                await asyncio.sleep(self.random.uniform(0, 0.5))
                await asyncio.to_thread(self.server.start)
            case "engine":
                await asyncio.to_thread(kill_dockerd, self.beside)
                await asyncio.to_thread(start_dockerd, self.beside)
            case "power":
                await asyncio.to_thread(kill_node, self.leader)
                await asyncio.to_thread(start_node, self.leader)


@pytest.mark.timeout(1800)
async def test_the_feed_is_right_whatever_fails(managers: Swarm, tmp_path: Path):
    """The shorter sister of tests/nats/test_crashes.py, on real engines."""
    seed = int(os.environ.get("FUNSWARM_CRASH_SEED", "1"))
    log.warning("FUNSWARM_CRASH_SEED=%d", seed)
    with nats_server(tmp_path) as server:
        chaos = Chaos(managers, server, seed, tmp_path)
        faults = chaos.random.sample(FAULTS, len(FAULTS))
        await chaos.start_poller()
        users = asyncio.create_task(chaos.work())
        try:
            for fault in faults:
                await chaos.fail(fault)
            log.warning("what failed, over %d writes: %s", chaos.writes, Counter(faults))
            users.cancel()
            await asyncio.wait({users})
            await until_right(NatsSettings(url=server.url), chaos.spared)
            assert chaos.writes > len(faults)
        finally:
            users.cancel()
            await chaos.kill_poller()
