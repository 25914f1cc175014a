"""The policies at work, while this copy is active. I/O: the bucket, the commands' stream, the feed of tasks.

feed, results, holds, wake-up times, a slow round over all -> `LookQueue` -> `evaluate` -> the record is kept (compare
and set) -> the command is submitted -> the decision is told. What a record says was sent, and has no result, is sent
again by whoever reads the record: the command's id makes that harmless, and nothing decided is lost in a crash.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from funswarm.changes import Changes, Item, SnapshotEnd
from funswarm.commands import Command
from funswarm.decisions import Decision, DecisionOutcome
from funswarm.errors import FunswarmError, TemporaryError
from funswarm.messages import Result
from services.bus.policies import PolicyBucket
from services.scheduler.metrics import Metrics
from services.scheduler.policies.book import Book
from services.scheduler.policies.contract import Policy, Sent
from services.scheduler.policies.evaluate import Case, Plan, evaluate
from services.scheduler.policies.follow import HoldBook, follow_tasks
from services.scheduler.policies.queue import LookQueue
from services.scheduler.policies.record import ENDED_S, Record, underway
from services.scheduler.policies.telling import Telling
from services.scheduler.policies.world import Known

WORKERS: Final = 32  # each waits for NATS twice: many are due at one second
RETRY_S: Final = 1.0
RESYNC_S: Final = 300.0
RESYNC_AT_ONCE: Final = 50  # services: all at once would keep those that are due waiting
GONE_S: Final = 5.0
FAULT_RETRY_S: Final = 60.0
UNANSWERED_S: Final = 3600.0  # after its deadline: so long it is looked for the result of a command
TROUBLE: Final = "policies"

log = structlog.get_logger(__name__)

Submit = Callable[[Command], Awaitable[None]]
Find = Callable[[str], Awaitable[Result | None]]


def clock() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


class Frame:
    """One time of being active. `submit`, `find`: the commands' and results' store. `is_active`: whether we are still.

    `tasks`: opens a feed of nodes, and with true of tasks. `troubles`: where to say why policies do not work.
    """

    def __init__(
        self,
        bucket: PolicyBucket,
        policies: Sequence[Policy[Any, Any]],
        telling: Telling,
        world: Known,
        metrics: Metrics,
        *,
        submit: Submit,
        find: Find,
        tasks: Callable[[bool], Changes],
        is_active: Callable[[], bool],
        troubles: dict[str, str],
        now: Callable[[], datetime] = clock,
    ) -> None:
        self._policies = policies
        self._telling = telling
        self._world = world
        self._metrics = metrics
        self._submit = submit
        self._find = find
        self._tasks = tasks
        self._is_active = is_active
        self._troubles = troubles
        self._now = now
        self._queue = LookQueue(now)
        self._book = Book(bucket)
        self._gone_since: dict[str, datetime] = {}
        self._unsure: set[str] = set()  # services whose commands may not have been sent
        self._holds = HoldBook(bucket, metrics)

    # What happens.
    def take(self, item: Item) -> None:
        """The next of the feed of services."""
        touched = self._world.take(item)
        if isinstance(item, SnapshotEnd):
            touched |= set(self._book.services())  # also those that are gone: until now nobody could tell
        if touched:
            self._telling.labels_changed(touched)
            self.touch(touched)

    def touch(self, names: Iterable[str]) -> None:
        """Look at these services; those that nothing is known of and no policy follows are left out."""
        self._queue.touch(name for name in names if name in self._book or self._is_followed(name))

    def told(self, result: Result) -> None:
        """This result is stored."""
        service = self._book.ended(result)
        if service is not None:
            self.touch([service])

    def done(self, command: Command, result: Result) -> None:
        """A command of anybody has ended, and its result is stored."""
        for policy in self._policies:
            policy.done(command, result)
        if result.service_name is not None:
            self.touch([result.service_name])

    def _is_followed(self, name: str) -> bool:
        entry = self._world.entry(name)
        return entry is not None and bool(entry.asked.settings)

    # At work.
    async def run(self) -> None:
        """Until cancelled. Whatever goes wrong here, commands go on."""
        while True:
            try:
                await self._book.load()
                self._unsure.update(self._book.services())
                await self._holds.read(self.touch)
                self._queue.touch(self._book.services())
                self._troubles.pop(TROUBLE, None)
                async with asyncio.TaskGroup() as group:
                    tasks = follow_tasks(self._world, self._tasks, self.touch)
                    for work in (self._telling.run(), self._holds.run(self.touch), tasks, self._resync()):
                        group.create_task(work)
                    for policy in self._policies:
                        group.create_task(self._run_policy(policy))
                    for _ in range(WORKERS):
                        group.create_task(self._work())
            except FunswarmError as error:
                log.warning("policies wait", reason=str(error))
                self._troubles[TROUBLE] = f"policies do not work: {error}"
            except Exception as fault:
                log.exception("a fault in Funswarm itself")
                self._troubles[TROUBLE] = f"policies do not work, a fault in Funswarm itself: {fault!r}"
            finally:
                if not self._is_active():
                    self._troubles.pop(TROUBLE, None)
            await asyncio.sleep(RETRY_S)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(0)  # most looks wait for nothing: many of them would keep all else waiting
            name = await self._queue.next()
            try:
                await self._look(name)
            except TemporaryError as error:
                log.warning("a policy's work is tried again", service=name, reason=str(error))
                self._unsure.add(name)
                await asyncio.sleep(RETRY_S)
                self._queue.touch([name])
            except Exception as error:  # one service keeps no other from its turn
                log.exception("a service cannot be looked at", service=name, reason=str(error))
                self._unsure.add(name)
                self._queue.wake(name, self._now() + timedelta(seconds=FAULT_RETRY_S))
            finally:
                self._queue.done(name)

    async def _look(self, name: str) -> None:
        """One evaluation of a service, and what follows from it.

        Raises:
            FunswarmError: NATS is away, or refuses; to be tried again.
        """
        if not self._world.complete or not self._is_active():
            return  # all are looked at when it is; another copy looks when we are not
        if self._has_just_gone(name):
            return
        if name in self._unsure:
            await self._make_sure(name)
        elif self._is_unanswered(name):
            await self._learn(name)
        record = self._book.of(name)
        plan = self._evaluated(name, record)
        if plan.command is not None and await self._holds.changed(name, plan.policy):
            plan = self._evaluated(name, record)
        if plan.record != record and not await self._book.keep(plan.record):
            log.info("what policies remember is another's now: read again", service=name)
            await self._book.load_one(name)
            self._unsure.add(name)
            self._queue.touch([name])
            return
        self._telling.decided(plan.decisions)
        self._queue.wake(name, plan.again_at)
        if plan.command is not None:
            await self._send(name, plan.command)
        if self._world.entry(name) is None and name not in self._book:
            self._gone_since.pop(name, None)
            self._telling.forget(name)

    def _has_just_gone(self, name: str) -> bool:
        """A service that is not there may be told of in a moment, when the feed has only begun: nothing is forgotten
        or restored before it was away for a while.
        """
        if self._world.entry(name) is not None:
            self._gone_since.pop(name, None)
            return False
        since = self._gone_since.setdefault(name, self._now())
        if (until := since + timedelta(seconds=GONE_S)) <= self._now():
            return False
        self._queue.wake(name, until)
        return True

    def _evaluated(self, name: str, record: Record) -> Plan:
        begun = time.perf_counter()
        case = Case(
            now=self._now(),
            record=record,
            entry=self._world.entry(name),
            world=self._world,
            policies=self._policies,
            holds=self._holds.of(name),
            results=self._book.results,
        )
        plan = evaluate(case)
        self._metrics.evaluations.observe(time.perf_counter() - begun)
        return plan

    async def _send(self, name: str, command: Command) -> None:
        """Hand over a command, as a client does; its id makes a repetition harmless."""
        if not self._is_active():
            return
        self._unsure.add(name)
        await self._submit(command)
        self._unsure.discard(name)
        log.debug("a policy asks", service=name, command=command.id, verb=command.verb, by=command.requested_by)

    async def _make_sure(self, name: str) -> None:
        """Learn how what was sent for a service has ended, and send what has not: it may never have been."""
        await self._learn(name)
        record = self._book.of(name)
        for policy, sent in record.sent.items():
            if underway(sent, self._book.results.get(sent.command.id), self._now()) and self._is_active():
                await self._submit(sent.command)
                self._telling.decided([_sent_again(policy, record, sent)])
        self._unsure.discard(name)

    async def _learn(self, name: str) -> None:
        """Learn how what was sent for a service has ended; nothing is sent."""
        for sent in self._book.of(name).sent.values():
            if sent.command.id not in self._book.results and (result := await self._find(sent.command.id)) is not None:
                self._book.ended(result)

    def _is_unanswered(self, name: str) -> bool:
        """Whether a command should have ended by now, and nobody has told of it here."""
        for sent in self._book.of(name).sent.values():
            late_s = (self._now() - sent.until).total_seconds()
            if sent.command.id not in self._book.results and ENDED_S <= late_s < UNANSWERED_S:
                return True
        return False

    # What goes on beside.
    async def _run_policy(self, policy: Policy[Any, Any]) -> None:
        while True:
            try:
                await policy.run(self.touch)
            except Exception as error:
                log.exception("a policy's own work failed: it is begun again", policy=policy.name, reason=str(error))
            else:
                return
            await asyncio.sleep(RETRY_S)

    async def _resync(self) -> None:
        while True:
            names = list({*self._world.followed(), *self._book.services()})
            parts = [names[start : start + RESYNC_AT_ONCE] for start in range(0, len(names), RESYNC_AT_ONCE)]
            for part in parts or [[]]:
                await asyncio.sleep(RESYNC_S / max(1, len(parts)))
                self.touch(part)


def _sent_again(policy: str, record: Record, sent: Sent) -> Decision:
    return Decision(
        id=sent.command.id,
        time=sent.at,
        policy=policy,
        service=record.service,
        service_id=record.service_id or None,
        outcome=DecisionOutcome.COMMANDED,
        reason="it was decided before this copy of the scheduler became active, and is sent again",
        verb=sent.command.verb,
        command_id=sent.command.id,
    )
