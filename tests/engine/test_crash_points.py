"""A scheduler that is killed at any point, against an engine: one effect, one result and one record of each command."""

import random

import pytest

from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from tests.engine.conftest import IMAGE
from tests.nats.asking import Asking, ask_and_crash, spec_of
from tests.nats.crashing import Crashes
from tests.servers import nats_server

KILLS = 40


@pytest.fixture
async def bus(tmp_path):
    """Connected to a nats-server of the test's own, with its streams."""
    with nats_server(tmp_path) as server:
        bus = await Bus.connect(NatsSettings(url=server.url), "tests")
        await bus.declare()
        yield bus
        await bus.close()


@pytest.mark.timeout(900)
async def test_whatever_dies_when_each_command_is_done_once(engine, client, bus):
    names = tuple(f"{engine.name}-{number}" for number in range(3))
    seed = random.randrange(10**6)
    crashes = Crashes(bus, client, seed)
    for name in names:
        engine.undo_later(lambda name=name: engine.api.remove_service(name))
    asking = Asking(names[1:], names[:1], (), (IMAGE,), ("node.labels.funswarm-none == true",))  # no task finds a place
    done = await ask_and_crash(crashes, asking, KILLS)
    assert [] == done.problems, f"seed {seed}"
    found = {name: await client.service_json(name) for name in names}
    assert {name: one.spec for name, one in done.services.items()} == {
        name: spec_of(service["Spec"], job=name in names[:1]) for name, service in found.items() if service is not None
    }
