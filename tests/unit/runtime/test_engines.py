"""Which Swarm `make run` works on."""

import pytest

from services.engine.client import Engine, EngineInfo
from services.settings import Settings
from services.supervisor.engines import Found, Nothing, find
from services.supervisor.ground import CannotRun


class FakeEngine:
    def __init__(self, info):
        self._info = info
        self.advertised = None
        self.networks = ()

    async def info(self):
        return self._info

    async def init_swarm(self, advertise):
        self.advertised = advertise
        self._info = an_info()

    async def ids(self, kind, names):
        return dict.fromkeys(self.networks, "id") if kind == "network" else {}

    async def close(self):
        pass


def an_info(state="active", *, control=True, address="unix:///var/run/docker.sock"):
    return EngineInfo("28.1", "1.49", address, "host", "n1", state, control, "c1")


@pytest.fixture
def connected(monkeypatch):
    def connected(info):
        engine = FakeEngine(info)

        async def connect(_settings):
            return engine

        monkeypatch.setattr(Engine, "connect", connect)
        return engine

    return connected


async def test_a_manager_is_described(connected):
    connected(an_info())
    said = "Docker engine 28.1, API 1.49, at unix:///var/run/docker.sock; manager of Swarm c1"
    assert Found(said, has_network=False) == await find(Settings())


async def test_the_network_is_found(connected):
    connected(an_info()).networks = ("fun-swarm",)
    found = await find(Settings())
    assert isinstance(found, Found)
    assert found.has_network


async def test_no_engine_comes_with_its_reason(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    found = await find(Settings())
    assert isinstance(found, Nothing)
    assert "unix:///nowhere/docker.sock" in found.why


async def test_the_simulator_can_be_asked_for(connected):
    connected(an_info())
    assert isinstance(await find(Settings(simulator=True)), Nothing)


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("unix:///var/run/docker.sock", "docker swarm init --advertise-addr 127.0.0.1"),
        ("tcp://192.0.2.7:2376", "docker swarm init --advertise-addr 192.0.2.7"),
    ],
)
async def test_without_a_swarm_the_exact_command_is_said(connected, address, command):
    connected(an_info("inactive", control=False, address=address))
    with pytest.raises(CannotRun, match=command):
        await find(Settings())


async def test_swarm_init_makes_a_swarm(connected):
    engine = connected(an_info("inactive", control=False))
    found = await find(Settings(swarm_init=True))
    assert isinstance(found, Found)
    assert ("127.0.0.1", True) == (engine.advertised, "made just now" in found.said)


async def test_a_worker_is_refused_with_the_way_out(connected):
    connected(an_info(control=False))
    with pytest.raises(CannotRun, match="set DOCKER_HOST to a manager's address"):
        await find(Settings())


async def test_a_locked_swarm_is_refused_with_the_way_out(connected):
    connected(an_info("locked", control=False))
    with pytest.raises(CannotRun, match="docker swarm unlock"):
        await find(Settings())
