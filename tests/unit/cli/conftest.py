"""The command line with a client that only remembers: `cli.run(...)`, `cli.asked`, `cli.answers`."""

from datetime import UTC, datetime
from functools import cache

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from funswarm.cli.app import app
from funswarm.errors import UnknownObject
from funswarm.how import How
from funswarm.messages import Health, Result, ResultStatus

BUILT = cache(get_command)  # typer builds all commands anew for each run, which takes most of a test's time
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeClient:
    """Notes what it is asked and gives the answers that it was given, by method."""

    def __init__(self):
        self.asked = []
        self.answers = {"health": Health(ok=True), "holds": ()}
        self.items = []
        self.access = None

    async def close(self):
        pass

    def __getattr__(self, method):
        async def call(*args, **options):
            self.asked.append(
                (method, *args, {key: value for key, value in options.items() if value not in (False, None, How())})
            )
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def changes(self, **selection):
        self.asked.append(("changes", selection))

        async def items():
            for item in self.items:
                yield item

        return items()


class Cli:
    def __init__(self, client):
        self.client = client
        self.asked = client.asked
        self.answers = client.answers

    def run(self, *args, env=None):
        return CliRunner().invoke(app, list(args), env=env)


@pytest.fixture
def cli(monkeypatch):
    client = FakeClient()

    def make(url, **access):
        client.access = {"url": url, **access}
        return client

    monkeypatch.setattr("funswarm.cli.session.Client", make)
    monkeypatch.setattr("typer.testing._get_command", BUILT)
    for name in ("NATS_URL", "FUNSWARM_NATS_URL", "FUNSWARM_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return Cli(client)


@pytest.fixture
def done():
    """A result as the scheduler gives it."""

    def done(verb, target="web", status=ResultStatus.SUCCEEDED, **fields):
        return Result(command_id="c1", verb=verb, target=target, status=status, finished_at=NOW, **fields)

    return done


@pytest.fixture
def no_such_service():
    return UnknownObject("there is no service 'web'")
