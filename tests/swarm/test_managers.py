"""A Swarm of three managers whose leader loses power: the feed of a poller beside another manager stays whole."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from funswarm import Client, Unavailable, UnknownObject
from services.bus.settings import NatsSettings
from services.engine.settings import EngineSettings
from services.poller.loop import run_poller
from services.poller.settings import PollerSettings
from testbed import engine as host_engine
from testbed import images
from testbed import swarm as testbed_swarm
from testbed.node import Node, kill_node, start_node
from testbed.shell import wait_for
from testbed.swarm import Swarm
from tests.report import ran_against
from tests.servers import nats_server
from tests.swarm.conftest import take_down, until_right
from tests.waiting import until

NAME = "funswarm-test-managers"
PATIENCE_S = 180.0
POLLER = PollerSettings(instance="poller-1", version="0", interval_min_s=0.5, list_share=0.2)


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
