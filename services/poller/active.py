"""One session as the active poller: from the take-over until the lease is lost. Wires the parts together.

    watch ──hints──▶ reader ─┐
                     lists ──┼──▶ view ──changed──▶ publisher ──▶ EVENTS, then STATE
    watch ──hints──▶ motion ─┘

Nothing is published before all was listed once, save how the engine is: what was restored is old, and half a list is
half a truth.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from services.bus.connection import Bus
from services.bus.journal import Journal
from services.bus.state import StateBucket
from services.engine.client import Engine, EngineInfo
from services.engine.events import CONTAINER
from services.poller.engine_link import EngineLink
from services.poller.health import Standing
from services.poller.known import Key
from services.poller.lists import Lists
from services.poller.looking import Looking
from services.poller.metrics import Metrics
from services.poller.motion import TaskPolls, is_settled
from services.poller.pacing import ListPace
from services.poller.publisher import Publisher
from services.poller.queries import Queries
from services.poller.reader import Reader
from services.poller.restore import Restored, restore
from services.poller.settings import PollerSettings
from services.poller.silence import Silence
from services.poller.view import View
from services.poller.watch import Watch

MICRO_SERVICE: Final = "funswarm-poller"  # as `nats micro ls` shows it


@dataclass(frozen=True, slots=True)
class Copy:
    """This copy of the poller: what outlives a session."""

    bus: Bus
    settings: PollerSettings
    standing: Standing
    metrics: Metrics


async def run_active(copy: Copy, engine: Engine, info: EngineInfo) -> None:
    """Take over, then watch and publish until cancelled.

    Raises:
        Superseded: another poller wrote to the streams.
        Unavailable, PermanentError: NATS cannot be read at take-over.
    """
    bus = copy.bus
    journal = await Journal.open(bus, bus.subjects.events_stream)
    bucket = await StateBucket.open(bus)
    session = Session(copy, engine, info, await restore(bus, journal.last))
    copy.standing.data = session.lists
    copy.metrics.follow(session.gauges)
    served = await bus.serve(MICRO_SERVICE, session.queries.endpoints(bus.subjects), copy.settings.version)
    try:
        await session.run(journal, bucket)
    finally:
        copy.standing.data = None
        copy.metrics.follow(dict)
        await served.stop()


class Session:
    """The parts of one session."""

    def __init__(self, copy: Copy, engine: Engine, info: EngineInfo, restored: Restored) -> None:
        settings, metrics, troubles = copy.settings, copy.metrics, copy.standing.troubles
        cluster = settings.cluster or info.cluster_id
        self._known: Final = restored.known
        self._view: Final = View(self._changed, self._known, settings.listed_kinds)
        link = EngineLink(engine, self._view, troubles, (info.version, info.api_version))
        silence = Silence()
        self.lists: Final = Lists(
            link=link,
            view=self._view,
            silence=silence,
            pace=ListPace(settings.list_share, settings.interval_max_s, settings.interval_min_s),
            metrics=metrics,
            kinds=settings.listed_kinds,
        )
        self._reader: Final = Reader(link, self._view, self.lists)
        self._polls: Final = TaskPolls(link, self._view, self._known, self.lists, self._changed_by_time)
        self._watch: Final = Watch(
            link=link,
            silence=silence,
            metrics=metrics,
            lists=self.lists,
            on_hint=self._hinted,
            kinds=settings.hinted_kinds,
        )
        self._publisher: Final = Publisher(
            view=self._view,
            known=self._known,
            subjects=copy.bus.subjects,
            cluster=cluster,
            troubles=troubles,
            metrics=metrics,
            unsettled=self._polls.keep,
            behind=restored.behind,
            kinds=settings.listed_kinds,
        )
        looking = Looking(engine, self._known, self._reader.want)
        self.queries: Final = Queries(self._known, self._view, cluster, self.lists.first_done.is_set, looking.look)

    async def run(self, journal: Journal, bucket: StateBucket) -> None:
        """All parts, until one fails or all are cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publisher.run(journal))
            group.create_task(self._publisher.run_states(bucket))
            group.create_task(self._watch.run())
            group.create_task(self._watch.run_containers())
            group.create_task(self._watch.judge())
            group.create_task(self._reader.run())
            group.create_task(self._polls.run())
            group.create_task(self.lists.run())
            await self.lists.first_done.wait()
            for key in dict.fromkeys([*self._view.keys(), *self._known.keys()]):
                self._publisher.owe(key)
            self._polls.keep(service.id for service in self._known.services() if not is_settled(service))

    def gauges(self) -> dict[str, float]:
        """For the metrics."""
        return {
            "owed": len(self._publisher),
            "moving": len(self._polls),
            "objects": len(self._known),
            "data_age_s": math.inf if self.lists.age_s is None else self.lists.age_s,
        }

    def _changed(self, key: Key) -> None:
        if self.lists.first_done.is_set() or key[0] == "engine":
            self._publisher.owe(key)
            if key[0] == "service":
                self._polls.touch(key[1])

    def _changed_by_time(self, service_id: str) -> None:
        """Its tasks were polled and nothing changed: that, too, may settle a condition."""
        self._publisher.owe(("service", service_id))

    def _hinted(self, key: Key) -> None:
        if key[0] == CONTAINER or (key[0] == "service" and self._view.get(key) is not None):
            self._polls.touch(key[1])  # of one that is new, once it is read
        if key[0] != CONTAINER:
            self._reader.want(key)
        if key[0] == "node":
            for service_id in {task.service_id for task in self._view.tasks_on(key[1])}:
                self._polls.touch(service_id)
