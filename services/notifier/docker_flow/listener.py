"""The listener of one copy: its view and its HTTP API all the time, the delivery while it is active. Wiring and I/O.

Who asks a copy on standby to notify is heard by the active one, over NATS.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry

from funswarm.client import Client
from funswarm.errors import FunswarmError, Unavailable
from services.bus.client import sdk_client
from services.bus.connection import Bus
from services.bus.problems import ProblemTeller
from services.notifier.docker_flow.lanes import Lanes, Ports
from services.notifier.docker_flow.metrics import DockerFlowMetrics
from services.notifier.docker_flow.news import Parameters
from services.notifier.docker_flow.sender import Sender
from services.notifier.docker_flow.server import build, listen, serve
from services.notifier.docker_flow.settings import DockerFlowSettings
from services.notifier.docker_flow.store import NatsStore
from services.notifier.docker_flow.view import SOURCE, Key, View
from services.notifier.health import Standing

TROUBLE: Final = "docker-flow"
RETRY_S: Final = 5.0
PROBLEMS_PAUSE_S: Final = 2.0  # what comes within is told together
ASK_TIMEOUT_S: Final = 2.0
ALL: Final = b"all"

log = structlog.get_logger(__name__)


class Listener:
    """`run` it for the copy's life, `run_active` while the copy holds the lease that `group` names."""

    def __init__(self, bus: Bus, settings: DockerFlowSettings, standing: Standing, registry: CollectorRegistry) -> None:
        self._bus, self._settings, self._standing = bus, settings, standing
        self._metrics = DockerFlowMetrics(registry)
        self._view = View(settings)
        self._lanes: Lanes | None = None
        self._asked = bus.subjects.part_docker_flow(settings.group)
        self._complete = asyncio.Event()
        self._changed = asyncio.Event()  # something of which there may be problems
        for reason in settings.rejected:
            log.error("a URL is left out", reason=reason)

    @property
    def group(self) -> str:
        """As in the settings."""
        return self._settings.group

    async def run(self) -> None:
        """Follow the feed and answer what is asked, until cancelled."""
        if self._settings.rejected:
            self._standing.tell(f"{TROUBLE} settings", "; ".join(self._settings.rejected))
        client = sdk_client(self._bus.settings, "funswarm-notifier docker-flow")
        try:
            async with _running(self._follow_on(client)):
                await self._answer()
        finally:
            await client.close()

    async def run_active(self) -> None:
        """Tell the receivers, until cancelled.

        Raises:
            Unavailable, PermanentError: NATS is away as it begins, or refuses.
        """
        store = NatsStore(self._bus, self._settings.label)
        async with AsyncExitStack() as stack:
            sender = Sender(self._settings)
            stack.push_async_callback(sender.close)
            told = await store.open({receiver.name for receiver in self._settings.receivers})
            lanes = Lanes(self._settings, Ports(store, sender, self._metrics), self._view.news, told)
            telling = await stack.enter_async_context(_running(lanes.run()))
            await stack.enter_async_context(_running(self._tell_problems()))
            complete = await stack.enter_async_context(_running(self._complete.wait()))
            await asyncio.wait({telling, complete}, return_when=asyncio.FIRST_COMPLETED)
            self._lanes = lanes
            stack.callback(self._leave)
            served = await self._bus.answer_all(self._asked, self._asked_to_tell)
            stack.push_async_callback(served.stop)
            lanes.look(lanes.known() | set(self._view.keys()))
            await telling

    # What is asked over HTTP.

    async def _answer(self) -> None:
        """Receivers are told also where nobody can ask."""
        while True:
            try:
                listening = listen(self._settings.port)
            except FunswarmError as error:
                log.warning("cannot be asked", reason=str(error))
                self._standing.tell(f"{TROUBLE} port", str(error))
                await asyncio.sleep(RETRY_S)
            else:
                self._standing.tell(f"{TROUBLE} port", None)
                await serve(build(self), listening)

    async def services(self) -> list[Parameters] | None:
        """Those that do not run yet are left out, and told of when they do."""
        if not self._view.complete:
            return None
        all_news = list(self._view.all_news("service"))
        if left_out := [news.name for news in all_news if not news.settled]:
            with suppress(FunswarmError):  # no copy is active: the next one that is tells what it does not know
                await self._ask_to_tell(left_out)
        return [news.create for news in all_news if news.settled]

    async def nodes(self) -> list[Parameters] | None:
        return self._view.nodes() if self._view.complete else None

    async def notify_all(self) -> None:
        await self._ask_to_tell(None)

    def metrics(self) -> str:
        self._metrics.services = sum(1 for _ in self._view.all_news("service"))
        return self._metrics.text()

    def error(self, operation: str) -> None:
        self._metrics.error(operation)

    # The feed.

    async def _follow_on(self, client: Client) -> None:
        while True:
            try:
                await self._follow(client)
            except FunswarmError as error:
                reason = str(error)
                log.warning("does not follow the feed", reason=reason)
            except Exception as fault:  # whatever it is, what is asked is still answered
                log.exception("a fault in Funswarm itself")
                reason = f"a fault in Funswarm itself: {fault!r}"
            self._view.broken()
            self._complete.clear()
            self._standing.tell(TROUBLE, f"Docker Flow's receivers are told nothing new: {reason}")
            await asyncio.sleep(RETRY_S)

    async def _follow(self, client: Client) -> None:
        async with aclosing(client.changes(kinds=self._view.feed_kinds)) as feed:
            async for item in feed:
                was_complete = self._view.complete
                touched = self._view.take(item)
                if not self._view.complete:
                    self._complete.clear()
                    continue
                if not was_complete:
                    self._standing.tell(TROUBLE, None)
                    self._complete.set()
                    touched = set(self._view.keys()) | (self._lanes.known() if self._lanes else set())
                if touched:
                    self._changed.set()
                    if self._lanes is not None:
                        self._lanes.look(touched)

    # What a copy says to the active one.

    async def _ask_to_tell(self, names: list[str] | None) -> None:
        """Have the active copy tell of these services again, None: of all."""
        body = ALL if names is None else "\n".join(names).encode()
        answers = await self._bus.gather(self._asked, body, ASK_TIMEOUT_S, enough=bool)
        if not answers:
            raise Unavailable("no copy of the notifier is active and knows the Swarm: ask again in some seconds")

    async def _asked_to_tell(self, body: bytes) -> bytes:
        if self._lanes is not None:
            keys: set[Key] = {("service", name) for name in body.decode().split("\n")}
            if body == ALL:
                keys = {key for key in {*self._view.keys(), *self._lanes.known()} if key[0] == "service"}
            self._lanes.look(keys, again=True)
        return b"OK"

    def _leave(self) -> None:
        self._lanes = None
        self._metrics.pending.set(0)

    async def _tell_problems(self) -> None:
        """Those of services that opted in by our label; others may be told of by others."""
        teller = ProblemTeller(self._bus, SOURCE)
        await self._complete.wait()
        before = self._view.service_names()
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            problems = self._view.problems()
            try:
                for service in sorted(before | set(problems)):
                    await teller.tell(service, problems.get(service, ()))
                before = set(problems)
            except FunswarmError as error:
                log.warning("cannot tell what is wrong with labels", reason=str(error))
                before |= set(problems)
                self._changed.set()
            await asyncio.sleep(PROBLEMS_PAUSE_S)  # so the view is newer than what was read of problems
            with suppress(FunswarmError):
                await teller.tell_gone(self._view.all_service_names())  # also who went while no copy was active


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    """A task for as long as the context lasts."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
