"""A scheduler that is killed at any point: each command has one effect, one result and one record, in their order.

Seeded: the same seed has the same commands and kills; what runs at the same time may still come in another order.
"""

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from funswarm.client import Client
from funswarm.commands import COMMANDS, Command
from funswarm.records import CommandRecord
from services.bus.reading import read_stream
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.simulator.cluster import Cluster
from services.simulator.server import serve
from services.simulator.swarm import Settings
from tests.nats.command_fold import Fold, Spec, fold
from tests.nats.crashing import POINTS, Crashes

SEED = int(os.environ.get("FUNSWARM_TEST_SEED", "4"))
KILLS = 500
SERVICES, JOBS = ("a", "b", "c", "d"), ("job",)
QUICK = {"parallelism": 0, "monitor": "1ms", "failure_action": "continue"}
VERBS = ("create", "remove", "scale", "update", "restart", "rollback")
WEIGHTS = (3, 1, 3, 2, 2, 2)


def a_command(chance: random.Random, number: int, nodes: list[str]) -> Command:
    """Any command for any service, job or node."""
    kind = chance.choices(("service", "job", "node"), (8, 1, 1))[0]
    if kind == "node":
        return _made(number, chance.choice(("pause", "drain", "activate")), chance.choice(nodes))
    if kind == "job":
        verb, target = chance.choice(("create", "run", "run", "remove")), chance.choice(JOBS)
        spec = {"name": target, "image": "x:1", "mode": "replicated-job", "total": 1}
        return _made(number, verb, target, **({"service": spec} if verb == "create" else {}))
    verb, target = chance.choices(VERBS, WEIGHTS)[0], chance.choice(SERVICES)
    replicas, image = chance.randint(0, 3), f"x:{chance.randint(1, 3)}"
    spec = {"name": target, "image": image, "replicas": replicas, "update_config": QUICK, "rollback_config": QUICK}
    fields = {
        "create": {"service": spec}, "scale": {"replicas": replicas, "force": True},
        "update": {"changes": {"image": image}, "force": True}, "restart": {"force": True},
    }  # fmt: skip
    return _made(number, verb, target, **fields.get(verb, {}))


def _made(number: int, verb: str, target: str, **fields: object) -> Command:
    return COMMANDS.validate_python({"id": f"c{number}", "verb": verb, "target": target, **fields})


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
    crashes, number = Crashes(bus, engine, SEED), 0
    nodes = [node.name for node in await engine.list("node")]
    while crashes.kills.total() < KILLS:
        for _ in range(crashes.chance.randint(3, 6)):
            number += 1
            command = a_command(crashes.chance, number, nodes)
            await crashes.submit(command)
            if crashes.chance.random() < 0.2:
                again = crashes.accepted[f"c{crashes.chance.randint(max(1, number - 20), number)}"]
                await crashes.submit(again, crashes.chance.choice((None, f"again-{number}")))
        await crashes.live(crashes.points())
    await crashes.rest()

    done = await _fold(crashes)
    assert [] == done.problems, f"seed {SEED}"
    assert _services(cluster) == {name: one.spec for name, one in done.services.items()}
    assert done.nodes.items() <= {node.name: node.availability for node in await engine.list("node")}.items()
    assert (set(POINTS), True) == (set(crashes.kills), crashes.frozen > 0)


async def _fold(crashes: Crashes) -> Fold:
    bus = crashes.bus
    async with Client(bus.settings.url, prefix=bus.subjects.prefix) as client:
        results = {command_id: await client.result(command_id) for command_id in crashes.accepted}
    records = Counter(
        [
            CommandRecord.model_validate_json(stored.body).command_id or ""
            async for stored in read_stream(bus, bus.subjects.audit_stream)
        ]
    )
    commands = sorted(crashes.accepted.values(), key=lambda command: crashes.sequences[command.id])
    return fold(commands, results, crashes.effects, records)


def _services(cluster: Cluster) -> dict[str, Spec]:
    found = {}
    for name in (*SERVICES, *JOBS):
        service = cluster.store.find_by_name("service", name)
        if service is not None:
            template = service.spec["TaskTemplate"]
            replicas = service.spec["Mode"].get("Replicated", {}).get("Replicas")
            image = template["ContainerSpec"]["Image"].partition("@")[0]
            restarts = template.get("ForceUpdate", 0) if name in SERVICES else 0
            found[name] = Spec(image, replicas, restarts)
    return found
