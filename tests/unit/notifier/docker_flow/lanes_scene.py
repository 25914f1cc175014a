"""Lanes between a store and receivers that do as a test wants."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from services.notifier.docker_flow.lanes import Lanes, Ports
from services.notifier.docker_flow.metrics import DockerFlowMetrics
from services.notifier.docker_flow.news import News
from services.notifier.docker_flow.settings import Call, DockerFlowSettings
from services.notifier.docker_flow.store import Place
from services.notifier.docker_flow.told import Told, Verb
from services.notifier.docker_flow.view import Key
from tests.unit.notifier.docker_flow.scenes import settings

WEB: Key = ("service", "web")


class Scene:
    """Lanes between a store and receivers that do as they are told. `asked`: (host, verb, query) of each request."""

    def __init__(self, settings: DockerFlowSettings, told: dict[Place, Told]) -> None:
        self.kept = dict(told)
        self.asked: list[tuple[str, Verb, str]] = []
        self.buried: list[tuple[str, str, str]] = []
        self.answers: Callable[[str], str | None] = lambda _: None
        self.gates: dict[str, asyncio.Event] = {}
        self.store_fails: list[Exception] = []
        self.news: dict[Key, News] = {}
        self.metrics = DockerFlowMetrics(CollectorRegistry())
        self.lanes = Lanes(settings, Ports(self, self, self.metrics), self.news.get, told)

    # The store.
    async def note(self, told: Told) -> None:
        if self.store_fails:
            raise self.store_fails.pop(0)
        self.kept[told.receiver, told.kind, told.name] = told

    async def forget(self, told: Told) -> None:
        del self.kept[told.receiver, told.kind, told.name]

    async def bury(self, name: str, url: str, reason: str) -> None:
        self.buried.append((name, url, reason))

    # The receivers.
    async def send(self, verb: Verb, call: Call, query: str) -> str | None:
        host = call.url.split("/")[2]
        self.asked.append((host, verb, query))
        if host in self.gates:
            await self.gates[host].wait()
        return self.answers(host)

    # The Swarm.
    def tell(self, news: News) -> None:
        self.news[news.kind, news.name] = news
        self.lanes.look([(news.kind, news.name)])

    def gone(self, key: Key = WEB) -> None:
        del self.news[key]
        self.lanes.look([key])

    def verbs(self) -> list[str]:
        return [verb for _, verb, _ in self.asked]

    def queries(self, host: str = "proxy:8080") -> list[str]:
        return [query for asked, _, query in self.asked if asked == host]

    def all_sure(self) -> bool:
        return bool(self.kept) and all(told.mark for told in self.kept.values())


@asynccontextmanager
async def scene(told: dict[Place, Told] | None = None, /, **environ: str):
    made = Scene(settings(**environ), told or {})
    running = asyncio.create_task(made.lanes.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait({running})
