"""Who listens during a benchmark of the watch, and when each heard what: the engine's own events, and NATS. I/O.

All times are of the monotonic clock in seconds, taken before anything is decoded. Keys are `<kind>/<id>`.
"""

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import docker
import nats
from nats.aio.client import Client
from nats.js.api import DeliverPolicy

from bench.watch_load import client
from funswarm.messages import MSG_ID_HEADER
from funswarm.subjects import Subjects

HEARD_TIMEOUT_S = 60.0


class EngineEars:
    """A thread that reads the engine's event stream itself, as the watch has to: what it hears is the zero of time."""

    def __init__(self, host: str) -> None:
        self.heard: dict[str, list[float]] = defaultdict(list)
        engine: docker.APIClient = client(host)
        self._stream: Any = engine.events(filters={"type": ["service", "node"], "scope": ["swarm"]})
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        rest = b""
        for chunk in self._stream:
            at = time.monotonic()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                event = json.loads(line)
                self.heard[f"{event['Type']}/{event['Actor']['ID']}"].append(at)

    def first(self, key: str, since: float) -> float | None:
        """When it first heard of that object since then."""
        return next((at for at in self.heard[key] if at >= since), None)

    def close(self) -> None:
        self._stream.close()
        self._thread.join(10)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it arrived; `wall_s`: the same moment in Unix time."""

    at: float
    wall_s: float
    data: bytes


class Hears(Protocol):
    """Who can say when it heard of a change."""

    def first(self, action: str, key: str, since: float, /) -> float | None:
        """When the first event of that action and object arrived since then."""


class Subscriber:
    """A plain nats-py client that listens to all events; `through_stream`: by reading the stream instead."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._heard: dict[tuple[str, str], list[Heard]] = defaultdict(list)

    @classmethod
    async def open(cls, url: str, *, through_stream: bool = False) -> "Subscriber":
        """One that hears everything from now on."""
        connection = await nats.connect(url)
        subscriber = cls(connection)
        if through_stream:
            stream = connection.jetstream()
            name, new = Subjects().events_stream, DeliverPolicy.NEW
            await stream.subscribe(
                Subjects().all_events, stream=name, cb=subscriber.hear, ordered_consumer=True, deliver_policy=new
            )
        else:
            await connection.subscribe(Subjects().all_events, cb=subscriber.hear)
        await connection.flush()
        return subscriber

    async def hear(self, message: Any) -> None:
        at, wall_s = time.monotonic(), time.time()
        action = message.subject.split(".")[3]
        key = message.headers[MSG_ID_HEADER].partition("@")[0]
        self._heard[action, key].append(Heard(at, wall_s, message.data))

    def first(self, action: str, key: str, since: float) -> float | None:
        """When the first event of that action and object arrived since then."""
        return next((heard.at for heard in self._heard.get((action, key), ()) if heard.at >= since), None)

    def all_of(self, action: str, kind: str) -> list[Heard]:
        """All events of that action and kind."""
        return [heard for (one, key), all_ in self._heard.items() for heard in all_ if wanted(one, key, action, kind)]

    async def close(self) -> None:
        await self._connection.close()


def wanted(action: str, key: str, wanted_action: str, kind: str) -> bool:
    """Whether it is an event of that action and kind."""
    return action == wanted_action and key.startswith(f"{kind}/")


async def until(found: Callable[[], Any], what: str, timeout_s: float = HEARD_TIMEOUT_S) -> Any:
    """The first answer of `found` that is neither None nor False, looked for every 5 ms."""
    end = time.monotonic() + timeout_s
    while (answer := found()) is None or answer is False:
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(0.005)
    return answer
