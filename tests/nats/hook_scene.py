"""Webhooks from end to end: a notifier (in this process, or one of its own), and receivers that do as they are told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from funswarm.client import Client
from funswarm.hooks import Hook, HookStatus
from funswarm.messages import Event
from funswarm.state import ServiceState
from services.bus.connection import Bus
from services.bus.handouts import consumer_standing, durable_consumers
from services.notifier.loop import run_notifier
from services.notifier.settings import NotifierSettings
from services.poller.outgoing import outgoing
from tests.servers import free_port
from tests.waiting import until

PATIENCE_S = 120
SETTINGS = NotifierSettings(instance="notifier-1", version="0")
QUICK = {"first_s": 0.1, "max_s": 0.2}
_numbers = count(1)


@dataclass
class Got:
    """A request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["data"])


@dataclass
class Receiver:
    """Answers each request as `say` does: a status, and lines of headers; None: not at all."""

    port: int = field(default_factory=free_port)  # its own, also while it is stopped
    got: list[Got] = field(default_factory=list)
    say: Callable[[Got], tuple[int, str] | None] = lambda _: (204, "")
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def taken(self) -> list[Got]:
        """What it answered with a 2xx, each the first time."""
        return list({one.id: one for one in reversed(self.got) if self._takes(one)}.values())[::-1]

    def _takes(self, got: Got) -> bool:
        return got.headers.get("answered", "").startswith("2")

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in self.writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                got = Got(headers, await reader.readexactly(int(headers["content-length"])))
                answer = self.say(got)
                got.headers["answered"] = str(answer[0]) if answer else ""
                self.got.append(got)
                if answer is None:
                    await reader.read()
                    break
                said = "" if answer[0] == 204 else "ok"
                writer.write(f"HTTP/1.1 {answer[0]} x\r\n{answer[1]}content-length: {len(said)}\r\n\r\n{said}".encode())
                await writer.drain()
        self.writers.discard(writer)
        writer.close()


@asynccontextmanager
async def receiver(**fields) -> AsyncIterator[Receiver]:
    one = Receiver(**fields)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def notifier(bus: Bus, settings: NotifierSettings = SETTINGS) -> AsyncIterator[asyncio.Task[None]]:
    """In this process; stopped cleanly at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_notifier(bus.settings, settings, stop))
    try:
        yield task
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task


class Process:
    """`python -m services.notifier`, as the stack has it."""

    def __init__(self, bus: Bus, **env: str) -> None:
        known = {
            name: value for name, value in os.environ.items() if not name.startswith(("FUNSWARM_", "NATS_", "DF_"))
        }
        self._env = known | {"FUNSWARM_NATS_URL": bus.settings.url, "FUNSWARM_PREFIX": bus.settings.prefix} | env
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.notifier"],
            env=self._env,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> None:
        """SIGKILL, and another one."""
        self.kill()
        self.process = self._start()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def rss_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def process(bus: Bus, **env: str) -> AsyncIterator[Process]:
    one = Process(bus, **env)
    try:
        yield one
    finally:
        one.kill()


@asynccontextmanager
async def client_of(bus: Bus) -> AsyncIterator[Client]:
    """Connected, and a notifier answers it."""
    async with Client(bus.settings.url, prefix=bus.settings.prefix) as client:

        async def answers() -> bool:
            return any(part.part == "notifier" and part.active for part in await client.parts())

        await until(answers, "an active notifier", PATIENCE_S)
        await listed(client)
        yield client


async def listed(client: Client) -> tuple[HookStatus, ...]:
    """All hooks, once somebody answers."""
    found: list[tuple[HookStatus, ...]] = []

    async def answered() -> bool:
        with suppress(Exception):
            found.append(await client.hooks())
        return bool(found)

    await until(answered, "the notifier's answer", PATIENCE_S)
    return found[-1]


async def put(client: Client, to: Receiver, name: str = "alerts", **fields) -> HookStatus:
    return await client.put_hook(Hook.model_validate({"name": name, "url": to.url, "retry": QUICK, **fields}))


async def happens(bus: Bus, service: str = "web", action: str = "updated", **labels: str) -> str:
    """An event of a service, as the poller writes it; its id."""
    number = next(_numbers)
    state = ServiceState(
        id=f"id-{service}", name=service, version=number, mode="replicated", image="busybox", labels=labels
    )
    now = datetime.now(UTC)
    event = Event(
        id=f"service/id-{service}@{number}", time=now.isoformat(), observed_at=now, cluster="c", kind="service",
        action=action, name=service, object_id=state.id, version=number, before=None, after=state,
    )  # fmt: skip
    message = outgoing(event, bus.subjects, None)
    await bus.publish(message.subject, message.body, message.headers, bus.subjects.events_stream)
    return event.id


async def got(receiver: Receiver, count: int) -> list[str]:
    """The ids of what it took, once it took so many."""
    await until(lambda: len(receiver.taken) >= count, f"{count} deliveries", PATIENCE_S)
    return [one.id for one in receiver.taken]


async def finished(bus: Bus) -> None:
    """All deliveries are known to NATS as done: what was taken only now comes again if the notifier dies."""

    async def nothing_pending() -> bool:
        standings = [await consumer_standing(bus, name) for name in await durable_consumers(bus)]
        return all(standing is not None and standing.pending == 0 for standing in standings)

    await until(nothing_pending, "no event that is not finished", PATIENCE_S)
