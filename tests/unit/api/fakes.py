"""A Client whose commands go into a list, and whose answers are set by the test; and tokens."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from funswarm.client import Client
from funswarm.errors import UnknownObject
from funswarm.messages import Code, Health, Result, ResultStatus
from funswarm.tokens import Role, new_token
from services.api.proxies import Proxies
from services.api.settings import ApiSettings
from services.api.traefik.settings import TraefikSettings

SETTINGS = ApiSettings(keep_alive_s=0.01, streams_max=1)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOKENS = {
    "reader": new_token("reader", Role.READ),
    "operator": new_token("operator", Role.OPERATE),
    "admin": new_token("admin", Role.ADMIN),
    "shop": new_token("shop", Role.OPERATE, ["shop"]),
}


def as_(name):
    """The headers of who has this token."""
    return {"Authorization": f"Bearer {TOKENS[name][0]}"}


def token_lines(*names):
    """What a file of these tokens holds."""
    return "".join(TOKENS[name][1].model_dump_json() + "\n" for name in names)


def a_result(command, status=ResultStatus.SUCCEEDED, **others):
    return Result(
        command_id=command.id, verb=command.verb, target=command.target, status=status, finished_at=NOW, **others
    )


def refused(code, reason="because"):
    return lambda command: a_result(command, ResultStatus.REFUSED, code=code, reason=reason)


class FakeFeed:
    """Gives its items, then nothing."""

    def __init__(self, items=(), refusal=None, sequence=None):
        self.items = list(items)
        self.sequence = sequence
        self.closed = False
        self._refusal = refusal

    async def open(self):
        if self._refusal:
            raise self._refusal

    async def next(self, timeout_s):
        await asyncio.sleep(0 if self.items else timeout_s)
        return self.items.pop(0) if self.items else None

    async def aclose(self):
        self.closed = True


class FakeClient(Client):
    """`outcome(command)` decides how a command ends."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Be as new."""
        vars(self).clear()
        super().__init__()
        self.submitted = []
        self.waits_s = []
        self.traceparents = []
        self.outcome = a_result
        self.results = {}
        self.waiting = {}
        self.state: dict[str, tuple[object, ...]] = {
            "services": (),
            "tasks": (),
            "nodes": (),
            "summaries": (),
            "parts": (),
        }
        self.asked = []
        self.found_health = Health(ok=True)
        self.unavailable = None
        self.feed = FakeFeed()

    async def _submit(self, command, how, *, new_id=False):
        self._check()
        self.submitted.append(command)
        self.waits_s.append(how.wait_s)
        self.traceparents.append(how.traceparent)
        return self.outcome(command)

    async def result(self, command_id):
        return self.results.get(command_id)

    async def waiting_command(self, command_id):
        return self.waiting.get(command_id)

    async def health(self):
        return self.found_health

    async def parts(self):
        return self._state("parts")

    async def summaries(self):
        return self._state("summaries")

    async def services(self):
        return self._state("services")

    async def service(self, name):
        return self._one("service", name)

    async def tasks(self, service=None, node=None, name=None):
        self.asked.append({"service": service, "node": node})
        return tuple(task for task in self._state("tasks") if name in (None, task.id))

    async def nodes(self):
        return self._state("nodes")

    async def node(self, name):
        return self._one("node", name)

    async def metrics(self):
        self._check()
        return '# TYPE other gauge\nother{instance="poller-1"} 1\n'

    def changes(self, **selection):
        self.asked.append(selection)
        return self.feed

    def _check(self):
        if self.unavailable:
            raise self.unavailable

    def _state(self, kind):
        self._check()
        return self.state[kind]

    def _one(self, kind, name):
        for state in self._state(f"{kind}s"):
            if name in (state.name, state.id):
                return state
        raise UnknownObject(f"there is no {kind} {name!r}")


class Whoever:
    """The client that the running test has given to an application which many tests share."""

    client: Any = None

    def __getattr__(self, name):
        return getattr(self.client, name)


__all__ = ["NOW", "SETTINGS", "Code", "FakeClient", "FakeFeed", "a_result", "refused"]


def no_proxies(client=None):
    """What the application needs for the routes of proxies; nothing is followed before one asks."""
    return Proxies(client or FakeClient(), TraefikSettings())
