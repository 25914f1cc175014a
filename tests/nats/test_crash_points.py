"""A scheduler that is killed at any point: each command has one effect, one result and a record, in their order.

Seeded: the same seed has the same commands and kills; what runs at the same time may still come in another order.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.simulator.cluster import Cluster
from services.simulator.server import serve
from services.simulator.swarm import Settings
from tests.nats.asking import Asking, ask_and_crash, spec_of
from tests.nats.crashing import POINTS, Crashes

SEED = int(os.environ.get("FUNSWARM_TEST_SEED", "4"))
KILLS = 500
SERVICES, JOBS = ("a", "b", "c", "d"), ("job",)


@pytest.fixture
async def swarm():
    """A simulated Swarm, and the engine's client for it."""
    folder = Path(tempfile.mkdtemp(prefix="fun-"))  # short: a socket's path has at most 107 characters
    cluster = Cluster(3, 1, settings=Settings(start_s=0.001, stop_s=0.001, history=0))
    async with serve(cluster, str(folder / "s")) as simulator:
        engine = await Engine.connect(EngineSettings(host=simulator.host))
        yield cluster, engine
        await engine.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(900)
async def test_whatever_dies_when_each_command_is_done_once(bus, swarm):
    cluster, engine = swarm
    crashes = Crashes(bus, engine, SEED)
    nodes = tuple(node.name for node in await engine.list("node"))
    done = await ask_and_crash(crashes, Asking(SERVICES, JOBS, nodes, ("x:1", "x:2", "x:3")), KILLS)
    assert [] == done.problems, f"seed {SEED}"
    found = {name: cluster.store.find_by_name("service", name) for name in (*SERVICES, *JOBS)}
    assert {name: one.spec for name, one in done.services.items()} == {
        name: spec_of(service.spec, job=name in JOBS) for name, service in found.items() if service is not None
    }
    assert done.nodes.items() <= {node.name: node.availability for node in await engine.list("node")}.items()
    assert (set(POINTS), True) == (set(crashes.kills), crashes.frozen > 0)
