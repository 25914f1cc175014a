"""The api's application over a Client that only remembers: no NATS, no socket."""

import asyncio

import httpx
import pytest

from services.api.app import build
from services.api.figures import Figures
from services.api.settings import ApiSettings
from tests.unit.api.fakes import FakeClient


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def stopping():
    return asyncio.Event()


@pytest.fixture
def app(client, stopping):
    return build(client, ApiSettings(keep_alive_s=0.01, streams_max=1), Figures(), stopping, "api-1")


@pytest.fixture
async def http(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484") as http:
        yield http
