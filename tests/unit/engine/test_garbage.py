"""Answers that make no sense: the engine counts as away, to be asked again, and nothing is concluded from them."""

from typing import Any

import pytest

from funswarm.errors import Unavailable
from services.engine.asking import Asking
from services.engine.client import Engine
from services.engine.connection import Answer, Connection
from services.engine.settings import EngineSettings


@pytest.fixture
def answered(monkeypatch):
    """An asking whose engine answers everything with a body."""

    def asking(body: bytes) -> Asking:
        def ask(self: Connection, request: Any) -> Answer:
            return Answer(200, b'{"ApiVersion": "1.47"}' if request.path == "/version" else body)

        monkeypatch.setattr(Connection, "ask", ask)
        return Asking(EngineSettings())

    return asking


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"3", b"null", b"[" * 100_000, b'{"ID": "half'])
def test_what_is_no_object_is_an_engine_that_is_away(answered, body):
    with pytest.raises(Unavailable):
        answered(body).get("/info", "read the info")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"ID": "a"}', b'{"ID": "a", "Spec": {"Name": "web"}}', b'{"ID": "a", "Spec": []}']
)
async def test_what_is_no_service_says_nothing_about_it(answered, body):
    answered(body)
    engine = await Engine.connect(EngineSettings("tcp://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="no service"):
        await engine.service_json("web")
    await engine.close()


async def test_an_info_of_another_shape_is_of_no_swarm(answered):
    answered(b'{"Swarm": [], "Name": "n"}')
    engine = await Engine.connect(EngineSettings("tcp://127.0.0.1:1"))
    assert ("n", "", False) == ((info := await engine.info()).name, info.cluster_id, info.control_available)
    await engine.close()
