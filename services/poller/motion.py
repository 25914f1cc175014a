"""Polls the tasks of services in motion: Swarm emits no events for tasks. Reads the engine, writes the view.

A service is in motion after any hint or change of it or its tasks, and while its condition is not a settled one.
Which service is due when is `pacing.Moving`'s; here it is asked for, task lists of one service or of all.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from funswarm.errors import FunswarmError
from funswarm.state import AnyState, ConditionStatus, ServiceState, TaskState
from services.poller.engine_link import EngineLink
from services.poller.known import Known
from services.poller.lists import Lists
from services.poller.pacing import FASTEST, SLOWER, Backoff, Cost, Moving
from services.poller.view import View
from services.poller.waking import Waking

SETTLED: Final = frozenset({ConditionStatus.CONVERGED, ConditionStatus.ROLLED_BACK})
_UNDER_WAY: Final = frozenset({"new", "assigned", "accepted", "preparing", "starting"})
QUIET_S: Final = 0.25  # Swarm acts on a write within so long
BATCH: Final = 8
READ_MAX: Final = 50  # tasks: their ids are in the question's URL
PARALLEL: Final = 2
LIST_WEIGHT: Final = 3  # a list of all keeps a thread of ours busy, too, and much of it is no news


class TaskPolls:
    """The task polls of one session.

    `unchanged(service_id)` is called for a service that is not settled when a poll found it quiet for `QUIET_S`.
    """

    def __init__(
        self, link: EngineLink, view: View, known: Known, lists: Lists, unchanged: Callable[[str], None]
    ) -> None:
        self._link = link
        self._view = view
        self._known = known
        self._lists = lists
        self._unchanged = unchanged
        self._moving: Final = Moving()
        self._fast: Final = _Lane(FASTEST, PARALLEL)
        self._slow: Final = _Lane(SLOWER, 1)
        self._cost: Final = Cost(0.003)

    def __len__(self) -> int:
        return len(self._moving)

    def touch(self, service_id: str) -> None:
        """The service or its tasks changed, or may have: poll at once, then less and less often."""
        if not self._view.tasks_of(service_id) and _wants_none(self._view.service(service_id)):
            self._moving.drop(service_id)
            return
        self._moving.touch(service_id, time.monotonic())
        self._fast.woken.call()

    def keep(self, service_ids: Iterable[str]) -> None:
        """These are not settled: poll them slowly."""
        self._moving.keep(service_ids, time.monotonic())
        self._slow.woken.call()

    async def run(self) -> None:
        """Poll what is due, for ever: the fastest tier is not held up by the long lists of the slower ones."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run(self._fast))
            group.create_task(self._run(self._slow))

    async def _run(self, lane: "_Lane") -> None:
        backoff = Backoff()
        while True:
            tier, due = self._moving.due(time.monotonic(), lane.tiers)
            if lane is self._fast:
                self._slow.woken.call()  # some may have been handed on
            if not due:
                await lane.woken.wait(self._moving.wait_s(time.monotonic(), lane.tiers))
                continue
            began_at, weight = time.monotonic(), 1
            try:
                weight = await self._poll_all(due, lane)
                backoff.reset()
            except FunswarmError as error:
                self._link.failed(error)
                await asyncio.sleep(backoff.wait_s())
            now = time.monotonic()
            self._moving.spent(tier, (now - began_at) * weight, now)

    async def _poll_all(self, service_ids: list[str], lane: "_Lane") -> int:
        """Poll these, or the first of them; how many times its duration it counts."""
        gone = [service_id for service_id in service_ids if self._view.service(service_id) is None]
        if gone:
            await self._poll_gone(gone)
            service_ids = [service_id for service_id in service_ids if self._view.service(service_id) is not None]
        if len(service_ids) * self._cost.mean_s > self._lists.costs["task"].mean_s * lane.parallel:
            await self._lists.only("task")
            for service_id in service_ids:
                self._polled(service_id)
            return LIST_WEIGHT
        polls = [self._poll(service_id, lane) for service_id in service_ids[:BATCH]]
        for failure in await asyncio.gather(*polls, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure
        return 1

    async def _poll(self, service_id: str, lane: "_Lane") -> None:
        async with lane.free:
            began_at = time.monotonic()
            await self._list(service_id)
            self._link.answered()
            self._cost.note(time.monotonic() - began_at)
        self._polled(service_id)

    async def _list(self, service_id: str) -> None:
        with self._view.reading() as reading:
            known = {task.id: task for task in self._view.tasks_of(service_id)}
            tasks = await self._link.engine.tasks(service_id, known)
            for task in tasks:
                self._view.observe(reading, task)
            ids = [task.id for task in self._view.tasks_of(service_id)]
            for key in self._view.missing(reading, ids, "task", {task.id for task in tasks}):
                self._view.remove(key)

    async def _poll_gone(self, service_ids: list[str]) -> None:
        """The last tasks of removed services, of as many as one question has room for: others are due still.

        The engine does not list tasks by a service that is gone.
        """
        tasks: dict[str, TaskState] = {}
        polled: list[str] = []
        for service_id in service_ids:
            own = self._view.tasks_of(service_id)
            if polled and len(tasks) + len(own) > READ_MAX:
                break
            polled.append(service_id)
            tasks |= {task.id: task for task in own}
        if len(tasks) > READ_MAX:
            await self._lists.only("task")
        elif tasks:
            with self._view.reading() as reading:
                states = await self._link.engine.some("task", tasks.keys(), tasks)
                self._link.answered()
                for state in states:
                    self._view.observe(reading, state)
                for key in self._view.missing(reading, tasks.keys(), "task", {state.id for state in states}):
                    self._view.remove(key)
        for service_id in polled:
            self._polled(service_id)

    def _polled(self, service_id: str) -> None:
        service = self._known.get(("service", service_id))
        tasks = self._view.tasks_of(service_id)
        if not tasks and self._view.service(service_id) is None:
            self._moving.drop(service_id)
            return
        settled = is_settled(service) if isinstance(service, ServiceState) else not tasks
        busy = _progresses(service) or any(map(is_on_its_way, tasks))
        quiet_s = self._moving.polled(service_id, time.monotonic(), settled=settled, busy=busy)
        if not settled and quiet_s >= QUIET_S:
            self._unchanged(service_id)


class _Lane:
    """Polls of some tiers: so many in parallel, in a task of their own."""

    def __init__(self, tiers: Sequence[int], parallel: int) -> None:
        self.tiers: Final = tiers
        self.parallel: Final = parallel
        self.free: Final = asyncio.Semaphore(parallel)
        self.woken: Final = Waking()


def is_on_its_way(task: TaskState) -> bool:
    """Whether Swarm or an agent is at work on the task; not where it waits for a node, or for its restart."""
    if task.state == "pending":
        return not task.error
    if task.state == "ready":
        return task.desired_state != "ready"
    return task.state in _UNDER_WAY or (task.state == "running" and task.desired_state not in ("running", "complete"))


def _wants_none(service: ServiceState | None) -> bool:
    """Whether there is nothing to wait for: no task is wanted, or the service is gone."""
    return service is None or (service.mode == "replicated" and service.replicas == 0)


def _progresses(service: AnyState | None) -> bool:
    return isinstance(service, ServiceState) and service.condition.status is ConditionStatus.PROGRESSING


def is_settled(service: ServiceState) -> bool:
    """Whether nothing more is to be expected of the service by itself."""
    return service.condition.status in SETTLED
