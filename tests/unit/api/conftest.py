"""The api's application over a Client that only remembers: no NATS, no socket."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.app import build
from services.api.figures import Figures
from tests.unit.api.fakes import SETTINGS, TOKENS, FakeClient, Whoever, no_proxies, token_lines


class Stopping(asyncio.Event):
    """Is set by one test, and as new for the next, in a loop of its own."""

    def forget(self):
        vars(self).clear()
        super().__init__()


@pytest.fixture(scope="session")
def shared():
    """A client, what stops the application, and it: building one takes long, and it keeps nothing from test to test."""
    client, stopping = FakeClient(), Stopping()
    return client, stopping, build(client, SETTINGS, Figures(), stopping, "api-1", proxies=no_proxies(client))


@dataclass
class Guarded:
    """An application that wants a token."""

    app: Any
    figures: Figures
    file: Path
    whoever: Whoever

    def of(self, client):
        """The client, from now on asked by it, and the application."""
        self.whoever.client = client
        return client, self.app


@pytest.fixture(scope="session")
def guarded(tmp_path_factory):
    file = tmp_path_factory.mktemp("api") / "tokens"
    file.write_text(token_lines(*TOKENS))
    settings, figures, whoever = replace(SETTINGS, tokens_file=file), Figures(), Whoever()
    client: Any = whoever
    app = build(client, settings, figures, asyncio.Event(), "api-1", proxies=no_proxies(client))
    return Guarded(app, figures, file, whoever)


@pytest.fixture
def client(shared):
    shared[0].forget()
    return shared[0]


@pytest.fixture
def stopping(shared):
    shared[1].forget()
    return shared[1]


@pytest.fixture
def app(shared, client, stopping):
    return shared[2]


@pytest.fixture
async def http(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://swarm.test:8484") as http:
        yield http
