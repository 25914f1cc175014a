"""The api's application over a Client that only remembers: no NATS, no socket."""

import asyncio

import httpx
import pytest

from services.api.app import build
from services.api.figures import Figures
from tests.unit.api.fakes import SETTINGS, FakeClient


@pytest.fixture(scope="session")
def shared():
    """A client and the application over it: building one takes long, and it keeps nothing from test to test."""
    client = FakeClient()
    return client, build(client, SETTINGS, Figures(), asyncio.Event(), "api-1")


@pytest.fixture
def client(shared):
    shared[0].forget()
    return shared[0]


@pytest.fixture
def stopping():
    return asyncio.Event()


@pytest.fixture
def app(shared, client):
    return shared[1]


@pytest.fixture
async def http(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484") as http:
        yield http
