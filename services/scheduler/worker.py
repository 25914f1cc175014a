"""The scheduler's loop: delivery → command → its service's lane → safe write → result stored → record stored → ack.

Serial for each service, parallel across; what waits (for a rollout, the engine, NATS) holds no slot. Nothing is handed
back for a later try: what is in hand stays in hand, so that the order stays. A crash at any line leaves the command in
the stream; the successor finds its result, its label or its intent, or does it.
"""

import asyncio
import random
from collections.abc import AsyncIterable, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from funswarm.commands import BatchCommand, Command
from funswarm.errors import Failed, FunswarmError, PermanentError, Refused, TemporaryError
from funswarm.messages import TRACEPARENT_HEADER, Code, Result, ResultStatus
from funswarm.outcome import id_taken
from funswarm.records import record_of
from funswarm.subjects import Subjects
from services.scheduler.auditing import Auditor
from services.scheduler.batches import Batches
from services.scheduler.burying import bury_faulty, bury_malformed
from services.scheduler.convergence import DEFAULT_PATIENCE
from services.scheduler.lanes import LANE_MAX, Item, Lane, lane_of_batch, patience_ends
from services.scheduler.metrics import Metrics
from services.scheduler.ports import Delivery, Store, Superseded
from services.scheduler.reading import Malformed, ended, read, record_of_malformed, succeeded, unread
from services.scheduler.safe_write import SafeWriter
from services.scheduler.suspects import Deadly, Suspects

PARALLEL_MAX: Final = 64
FAULTS_MAX: Final = 5
DELIVERIES_MAX: Final = 5
HELD_CHECK_S: Final = 5.0  # only where no event tells that the rollout has settled
RETRY_S: Final = 0.2
RETRY_MAX_S: Final = 5.0

log = structlog.get_logger(__name__)


class Worker:
    """Works off deliveries. `lane_of`: whose turn a command waits for, the same for a name and an id of one object.

    `settling`: is given each result that is stored, to follow what becomes of it, for `settle_s`; `done`: with its
    command. `deliveries_max`: a command that ends the process so often is buried.
    """

    def __init__(
        self,
        subjects: Subjects,
        store: Store,
        writer: SafeWriter,
        metrics: Metrics,
        lane_of: Callable[[Command], Awaitable[str]],
        *,
        settling: Callable[[Result], None] = lambda _: None,
        done: Callable[[Command, Result], None] = lambda _, __: None,
        settle_s: float = DEFAULT_PATIENCE.settle_s,
        deliveries_max: int = DELIVERIES_MAX,
    ) -> None:
        self._subjects = subjects
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._lane_of = lane_of
        self._auditor = Auditor(store)
        self._suspects = Suspects(store, deliveries_max)
        self._settling = settling
        self._done = done
        self._batches = Batches(store, writer, settle_s)
        self._lanes: dict[str, Lane] = {}
        self._by_id: dict[str, Item] = {}  # what is in the lanes
        self._slots = asyncio.Semaphore(PARALLEL_MAX)
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, deliveries: AsyncIterable[Delivery]) -> None:
        """Until `stop`, or until the deliveries end; then what is being tried is finished, and the rest left."""
        intake = asyncio.create_task(self._take_all(deliveries))
        auditing = asyncio.create_task(self._auditor.run())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [intake, stopped, auditing, self._fault]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            if self._tasks:
                await asyncio.wait(set(self._tasks))
            for done in (intake, auditing, self._fault):
                if done.done():
                    done.result()
            await self._auditor.flush()
        finally:
            for task in (intake, stopped, auditing, *self._tasks):
                task.cancel()

    def stop(self) -> None:
        """End `run` after what is being tried right now."""
        self._stop.set()

    def look_again(self, services: set[str]) -> None:
        """Something may have changed of these services (names, ids): look whether what is held there may go on."""
        for service in self._lanes.keys() & services:
            if (lane := self._lanes[service]).held:
                lane.stirred.set()

    def told(self, result: Result) -> None:
        """This result is stored: a batch may wait for it."""
        batch_id = self._batches.of(result.command_id)
        if batch_id is not None and (lane := self._lanes.get(lane_of_batch(batch_id))) is not None:
            lane.stirred.set()

    # Taking in.
    async def _take_all(self, deliveries: AsyncIterable[Delivery]) -> None:
        async for delivery in deliveries:
            if self._stop.is_set():
                return
            what = await self._read(delivery)
            self._metrics.in_hand.inc()
            if isinstance(what, Malformed):
                self._metrics.malformed.inc()
                self._spawn(self._refuse(delivery, what))
                continue
            now = datetime.now(UTC)
            item = Item(what, delivery, now, patience_ends(what, now))
            first = self._by_id.setdefault(what.id, item).command
            if first is not what and first.digest != what.digest:
                item.first = first
                self._spawn(self._work(None, Lane([item])))
            else:
                self._enter(await self._lane_of(what), item)

    async def _read(self, delivery: Delivery) -> Command | Malformed:
        subject, headers = delivery.subject, delivery.headers
        while True:
            try:
                async with self._suspects.trying(delivery, reading=True):
                    return read(self._subjects, subject, headers, delivery.body)
            except Deadly as deadly:
                return unread(self._subjects, subject, headers, str(deadly))
            except TemporaryError as error:
                log.warning("not read yet", subject=subject, reason=str(error))
                await asyncio.sleep(RETRY_S)

    def _enter(self, service: str, item: Item) -> None:
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = Lane()
            self._spawn(self._work(service, lane))
        if lane.held and lane.full:  # a lane that moves is as long as it likes: all that was accepted meanwhile is done
            reason = f"{LANE_MAX} commands wait for a rollout of {service} already: wait for their results first"
            item.refusal = Refused(reason, Code.CONFLICT)
            self._spawn(self._work(None, Lane([item])))
        else:
            lane.add(item)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() and not self._fault.done():
            self._fault.set_exception(task.exception() or RuntimeError)

    # Working off.
    async def _work(self, service: str | None, lane: Lane) -> None:
        """One lane, until it is empty; `service` None: of no service, only to tell a result."""
        while lane.items and not self._stop.is_set():
            lane.stirred.clear()  # what comes from here on is seen after the try
            item = lane.turn()
            delay_s = await self._try(item, lane.overtaken(item))
            if delay_s is None:
                lane.items.remove(item)
                if self._by_id.get(item.command.id) is item:
                    del self._by_id[item.command.id]
                self._metrics.in_hand.dec()
            else:
                await self._pause(lane, delay_s)
        if service is not None:
            del self._lanes[service]

    async def _pause(self, lane: Lane, delay_s: float) -> None:
        """Wait, at most until the lane is stirred or the end has come."""
        waits = [asyncio.ensure_future(event.wait()) for event in (lane.stirred, self._stop)]
        await asyncio.wait(waits, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _try(self, item: Item, end: PermanentError | None) -> float | None:
        """Bring an item to its end; else in how many seconds to try again."""
        with structlog.contextvars.bound_contextvars(command=item.command.id, verb=item.command.verb):
            try:
                async with self._slots:
                    if item.result is None:
                        async with self._suspects.trying(item.delivery):
                            item.result = await self._result(item, end)
                    if item.result is None:
                        item.tries = 0
                        left_s = (item.until - datetime.now(UTC)).total_seconds()
                        return max(0.0, min(HELD_CHECK_S, left_s))
                    if item.first is not None:
                        await self._store.turn_away(item.result)
                    elif not item.was_stored:  # else a second result may have taken its place by now
                        await self._store.store(item.result)
            except Superseded:
                self._stop.set()
                return 0.0
            except TemporaryError as error:
                self._metrics.retries.inc()
                item.tries += 1
                log.warning("tried in vain", target=item.command.target, reason=str(error), tries=item.tries)
                delay_s = min(RETRY_MAX_S, RETRY_S * 2.0 ** min(item.tries, 10))
                return delay_s * random.uniform(0.7, 1.3)  # noqa: S311
            self._auditor.add(item.delivery, record_of(item.result, dry_run=item.command.dry_run))
            self._settling(item.result)
            self._done(item.command, item.result)
            self._tell(item.result, item)
            return None

    async def _result(self, item: Item, end: PermanentError | None) -> Result | None:
        """The item's result; None: it is held.

        Raises:
            TemporaryError: to be tried again.
        """
        command = item.command
        found = None if item.first else await self._store.find(command.id)
        if found is not None and found.digest in (None, command.digest):
            item.was_stored = True
            return found
        item.first = item.first or found
        if item.first is not None:
            item.refusal = Refused(id_taken(command.id, item.first), Code.CONFLICT)
        if item.refusal is not None:
            return ended(command, item.refusal, item.delivery.accepted_at, datetime.now(UTC))
        try:
            if isinstance(command, BatchCommand):
                traceparent = item.delivery.headers.get(TRACEPARENT_HEADER)
                return await self._batches.step(command, traceparent, item.delivery.accepted_at)
            outcome = await self._writer.attempt(command, item.delivery.headers.get(TRACEPARENT_HEADER))
            if outcome.held is None or command.dry_run:
                return succeeded(command, outcome, item.delivery.accepted_at, datetime.now(UTC))
            error: FunswarmError = end or Refused(outcome.held, Code.ROLLOUT)
            if end is None and datetime.now(UTC) < item.until:
                self._hold(item, outcome.held)
                return None
        except PermanentError as permanent:
            error = permanent
        except Superseded:
            raise
        except TemporaryError as temporary:
            if datetime.now(UTC) < item.until:
                raise
            error = temporary
        except Exception as fault:  # noqa: BLE001  whatever it is, the command ends in a result
            error = await self._count_fault(item, fault)
        return ended(command, error, item.delivery.accepted_at, datetime.now(UTC))

    def _hold(self, item: Item, reason: str) -> None:
        if item.held is None:
            log.info("held", target=item.command.target, reason=reason)
            self._metrics.held.inc()
        item.held = reason

    async def _count_fault(self, item: Item, fault: Exception) -> Failed:
        """A fault of our own: tried again a few times, then the command is buried, for people to look at.

        Raises:
            TemporaryError: to be tried again.
        """
        log.error("a fault in Funswarm itself", exc_info=fault)
        self._metrics.faults.inc()
        item.faults += 1
        if item.faults < FAULTS_MAX:
            raise TemporaryError(f"a fault in Funswarm itself: {fault!r}") from fault
        reason = f"a fault in Funswarm itself, {FAULTS_MAX} times: {fault!r}"
        await bury_faulty(self._store, item, reason)
        return Failed(reason, Code.INTERNAL)

    async def _refuse(self, delivery: Delivery, what: Malformed) -> None:
        """Bury what is no command, and answer it where somebody can wait for an answer."""
        log.warning("refused", subject=delivery.subject, reason=what.reason)
        while not self._stop.is_set():
            try:
                await bury_malformed(self._store, delivery, what, is_first=what.command_id not in self._by_id)
                break
            except TemporaryError as error:
                log.warning("tried in vain", subject=delivery.subject, reason=str(error))
                await asyncio.sleep(RETRY_S)
        else:
            return
        self._auditor.add(delivery, record_of_malformed(what, delivery.accepted_at, datetime.now(UTC)))
        self._metrics.in_hand.dec()

    def _tell(self, result: Result, item: Item) -> None:
        if item.held is not None:
            self._metrics.held.dec()
        self._metrics.ended(result, (datetime.now(UTC) - item.seen).total_seconds())
        tell = log.debug if result.status is ResultStatus.SUCCEEDED else log.info  # the audit stream has all of them
        tell(
            "done", target=result.target, status=result.status.value, code=result.code and result.code.value,
            reason=result.reason, changed=result.changed,
        )  # fmt: skip
