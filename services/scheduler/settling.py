"""Follows what was applied until it has settled, and publishes the result again, with how. I/O: the store, the poller.

worker -> `watch` (a result whose convergence is pending) -> the view tells of the service -> `Watch` judges -> errors
of tasks are asked of the poller -> the store. Nothing else is kept: after a take-over the pending results are found in
RESULTS, where only this changes them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from funswarm.errors import FunswarmError, TemporaryError
from funswarm.messages import Convergence, ConvergenceStatus, Result
from funswarm.outcome import is_pending
from funswarm.state import TaskState
from services.scheduler.convergence import CLOCKS_DIFFER_S, Patience, Watch, superseded, task_errors
from services.scheduler.fold import Services
from services.scheduler.ports import SettledStore

LOOK_INTERVAL_S: Final = 0.5
WRITERS: Final = 8
RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)

Tasks = Callable[[str], Awaitable[tuple[TaskState, ...]]]


class Settling:
    """`tasks_of`: the tasks of a service, by its id, as the poller knows them. `is_active`: whether this copy is."""

    def __init__(
        self,
        store: SettledStore,
        services: Services,
        tasks_of: Tasks,
        is_active: Callable[[], bool],
        patience: Patience,
    ) -> None:
        self._is_active = is_active
        self._store = store
        self._services = services
        self._tasks_of = tasks_of
        self._patience = patience
        self._watches: dict[str, Watch] = {}  # by the service's id: of each only the last command
        self._verdicts: asyncio.Queue[tuple[Result, Convergence]] = asyncio.Queue()

    def watch(self, result: Result) -> None:
        """Follow what became of it, where that is pending; an earlier command of the same service has lost its turn."""
        if result.service_id is None or not is_pending(result):
            return
        earlier = self._watches.get(result.service_id)
        if earlier is not None:
            if earlier.result.command_id == result.command_id:
                return
            first, last = sorted((earlier.result, result), key=lambda one: one.finished_at)
            by = superseded(f"written since by {last.command_id!r}", datetime.now(UTC))
            self._verdicts.put_nowait((first, by))
            if last is not result:
                return
        self._watches[result.service_id] = Watch(result, self._patience)
        self._look(result.service_id)

    def look_again(self, touched: set[str]) -> None:
        """Something may have changed of these services (names, ids)."""
        for service_id in self._watches.keys() & touched:
            self._look(service_id)

    async def run(self) -> None:
        """Until cancelled. Whatever goes wrong here, commands go on."""
        while True:
            try:
                await self._work()
            except Exception:
                log.exception("a fault in Funswarm itself")
            await asyncio.sleep(RETRY_S)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recall())
            for _ in range(WRITERS):
                group.create_task(self._write())
            while True:  # time alone makes a verdict, too
                await asyncio.sleep(LOOK_INTERVAL_S)
                for service_id in list(self._watches):
                    self._look(service_id)

    async def _recall(self) -> None:
        """Take up all that earlier active copies have left pending."""
        while True:
            try:
                async for result in self._store.pending():
                    self.watch(result)
            except FunswarmError as error:
                log.warning("cannot take up what is pending: trying again", reason=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _look(self, service_id: str) -> None:
        watch, service, now = self._watches[service_id], self._services.seen(service_id), datetime.now(UTC)
        if service is not None:
            verdict = watch.look(service, now)
        else:
            verdict = superseded("the service was removed", now) if self._is_gone(watch) else None
        verdict = verdict or watch.overdue(service, now)
        if verdict is not None:
            del self._watches[service_id]
            self._verdicts.put_nowait((watch.result, verdict))

    def _is_gone(self, watch: Watch) -> bool:
        """Whether a service that is not there has been, or must have been: the poller has told of later changes."""
        told_at = self._services.told_at
        later = told_at is not None and told_at > watch.result.finished_at + timedelta(seconds=CLOCKS_DIFFER_S)
        return self._services.complete and (watch.was_seen or later)

    async def _write(self) -> None:
        while True:
            result, verdict = await self._verdicts.get()
            if verdict.status is ConvergenceStatus.FAILED:
                verdict = verdict.model_copy(update={"errors": await self._errors(result)})
            settled = result.model_copy(update={"convergence": verdict, "version": self._version(result, verdict)})
            while self._is_active():  # what a frozen copy knows is old
                try:
                    await self._store.settle(settled)
                    tell = log.info if verdict.status is ConvergenceStatus.FAILED else log.debug
                    tell("settled", command=result.command_id, how=verdict.status.value, reason=verdict.reason)
                    break
                except TemporaryError as error:
                    log.warning("cannot tell what has settled: trying again", reason=str(error))
                    await asyncio.sleep(RETRY_S)
                except FunswarmError as error:
                    log.error("cannot tell what has settled", command=result.command_id, reason=str(error))  # noqa: TRY400
                    break

    def _version(self, result: Result, verdict: Convergence) -> int | None:
        """The service's version with what was written; None where that is no longer what there is."""
        service = self._services.seen(result.service_id or "")
        own = verdict.status is ConvergenceStatus.CONVERGED and service is not None
        return service.version if own and service is not None else result.version

    async def _errors(self, result: Result) -> tuple[str, ...]:
        try:
            return task_errors(await self._tasks_of(result.service_id or ""), result)
        except FunswarmError as error:  # removed meanwhile, or the poller is away: the reason says what matters
            log.info("the tasks' errors are not known", command=result.command_id, reason=str(error))
            return ()
