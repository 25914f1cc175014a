"""Measures what autoscaled services ask for, while the scheduler is active. I/O: NATS, and what `readers` asks.

services' settings -> questions, each asked at its own pace, AT_ONCE_MAX of a kind at a time -> samples; what is pushed
and what agents tell -> samples too. A number that has changed has its services looked at; one that is away is told
to be.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from pydantic import ValidationError

from funswarm.errors import FunswarmError, InvalidRequest, Unavailable, UnknownObject
from funswarm.gauges import Usage, read_push
from funswarm.subjects import untoken
from services.bus.connection import Bus
from services.bus.gauges import hear
from services.scheduler.policies.autoscale.agenda import Agenda
from services.scheduler.policies.autoscale.measures import Measured, Sample, Step, Used
from services.scheduler.policies.autoscale.readers import READ_S, Lag, Query, Question, Reader, questions_of
from services.scheduler.policies.autoscale.settings import HOOK, Settings

AT_ONCE_MAX: Final = 16
TICK_S: Final = 0.25
TOGETHER_S: Final = 1.0  # in a cluster a list may wait for one server that is away
PATIENCE_S: Final = 10.0  # with a first answer
FORGET_S: Final = 120.0  # a service that nobody has decided about for so long is followed no more
STEPS_MAX: Final = 20
TASKS_MAX: Final = 100_000
USED_S: Final = 120.0

log = structlog.get_logger(__name__)

Touch = Callable[[set[str]], None]


class NatsGauges:
    """`run` it; what was measured is had at once. One for each time of being active.

    `may_follow`: whether a service of that name may be autoscaled, though `wants` has not said so yet.
    """

    def __init__(
        self,
        bus: Bus,
        reader: Reader,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        may_follow: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._bus = bus
        self._reader = reader
        self._clock = clock
        self._may_follow = may_follow
        self._wanted: dict[str, tuple[Settings, float]] = {}  # by service; when it was asked for last
        self._asking: dict[Question, set[str]] = {}  # the services that want to know
        self._answers: dict[Question, Sample] = {}
        self._agenda = Agenda()
        self._since: dict[Question, float] = {}  # when it was wanted first
        self._pushed: dict[str, Sample] = {}
        self._steps: dict[str, deque[Step]] = {}
        self._used: dict[str, Used] = {}  # by task

    # As the policy sees it.
    def of(self, name: str) -> Measured:
        """What is known for a service."""
        wanted = self._wanted.get(name)
        if wanted is None:  # it is said in a moment
            return Measured(used=self._used, pending=True)
        questions, oldest = questions_of(wanted[0]), time.monotonic() - PATIENCE_S
        samples = {one.trigger: self._answers[one] for one in questions if one in self._answers}
        if name in self._pushed:
            samples["push"] = self._pushed[name]
        pending = any(one not in self._answers and self._since.get(one, 0.0) > oldest for one in questions)
        return Measured(samples, tuple(self._steps.get(name, ())), self._used, pending)

    def wants(self, name: str, settings: Settings) -> None:
        """A service is followed, by these settings; to be said again and again."""
        before = self._wanted.get(name)
        self._wanted[name] = (settings, time.monotonic())
        if before is not None and before[0] == settings:
            return
        for question in questions_of(settings):
            self._asking.setdefault(question, set()).add(name)
            self._agenda.want(question)
            self._since.setdefault(question, time.monotonic())
        if before is not None:
            self._drop(name, set(questions_of(before[0])) - set(questions_of(settings)))

    # What is told.
    def pushed(self, name: str, body: bytes) -> bool:
        """Somebody pushed a number, or a step; whether that is news: not the number again that is known and fresh.

        Raises:
            InvalidRequest: it is neither, or the service is not scaled by it.
            Unavailable: whether and how it is autoscaled is not known yet.
            UnknownObject: no service of that name is autoscaled.
        """
        push, wanted = read_push(body), self._wanted.get(name)
        if wanted is None and self._may_follow(name):
            raise Unavailable(f"the active scheduler does not know yet how {name} is autoscaled: try again in a moment")
        if wanted is None:
            raise UnknownObject(f"there is no autoscaled service {name!r}: label it funswarm.autoscale.enable=true")
        triggers, now = wanted[0].triggers, self._clock()
        needed = "push" if push.step is None else HOOK
        if needed not in triggers:
            label = "push" if push.step is None else "step-up and step-down"
            raise InvalidRequest(f"{name} is not scaled by that: it has no label funswarm.autoscale.{label}")
        if push.value is not None:
            before, self._pushed[name] = self._pushed.get(name), Sample(now, push.value)
            fresh = timedelta(seconds=wanted[0].push_age)
            return before is None or before.value != push.value or abs(now - before.at) > fresh
        if push.step is not None:
            steps = self._steps.setdefault(name, deque(maxlen=STEPS_MAX))
            if steps and now <= steps[-1].at:
                now = steps[-1].at + timedelta(microseconds=1)
            steps.append(Step(now, push.step))
        return True

    def used(self, body: bytes) -> None:
        """An agent tells what the tasks of its node use."""
        try:
            usage = Usage.model_validate_json(body)
        except ValidationError as error:
            raise InvalidRequest("that is no usage of tasks") from error
        now = self._clock()
        if len(self._used) + len(usage.tasks) > TASKS_MAX:
            self._forget_used(now)
        if len(self._used) + len(usage.tasks) <= TASKS_MAX:
            self._used.update({task: Used(now, one.processors, one.memory_bytes) for task, one in usage.tasks.items()})

    # At work.
    async def run(self, touch: Touch) -> None:
        """Until cancelled."""
        subjects = self._bus.subjects

        def push(subject: str, body: bytes) -> None:
            name = untoken(subject.rpartition(".")[2])
            if self.pushed(name, body):
                touch({name})

        async with AsyncExitStack() as stack:
            for subject, take in (
                (subjects.gauge(None), push),
                (subjects.usage(None), lambda _, body: self.used(body)),
            ):
                stack.push_async_callback((await hear(self._bus, subject, take)).stop)
            stack.push_async_callback(self._reader.close)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(self._forgetting())
            for kind in (Lag, Query):
                group.create_task(self._poll(kind, touch))

    async def _poll(self, kind: type[Question], touch: Touch) -> None:
        """The questions of one kind, so that one that answers slowly delays no other."""
        slots = asyncio.Semaphore(AT_ONCE_MAX)
        async with asyncio.TaskGroup() as group:
            while True:
                for questions in self._agenda.due(kind, time.monotonic()):
                    await slots.acquire()
                    group.create_task(self._asked(questions, touch)).add_done_callback(lambda _: slots.release())
                await asyncio.sleep(TICK_S)

    async def _asked(self, questions: Sequence[Question], touch: Touch) -> None:
        if len(questions) == 1:
            await self.ask(questions[0], touch)
        else:
            await self.ask_together(questions, touch)

    async def ask_together(self, questions: Sequence[Question], touch: Touch) -> None:
        """Read them in one go; those of which nothing is learnt are asked one by one then."""
        found: dict[Question, float] = {}
        try:
            async with asyncio.timeout(TOGETHER_S):
                found = await self._reader.read_together(questions)
        except (FunswarmError, TimeoutError) as error:
            log.debug("metrics are read one by one", trigger=questions[0].trigger, reason=str(error))
        except Exception:
            log.exception("a fault in Funswarm itself", trigger=questions[0].trigger)
        now = self._clock()
        for question, value in found.items():
            self._answered(question, Sample(now, value), touch)
        self._agenda.alone((one for one in questions if one not in found), time.monotonic())

    async def ask(self, question: Question, touch: Touch) -> None:
        """Read it once; whatever goes wrong is the answer."""
        try:
            async with asyncio.timeout(READ_S):
                sample = Sample(self._clock(), await self._reader.read(question))
        except FunswarmError as error:
            sample = Sample(self._clock(), failed=str(error))
        except TimeoutError:
            sample = Sample(self._clock(), failed=f"no answer within {READ_S:g} s")
        except Exception as fault:
            log.exception("a fault in Funswarm itself", trigger=question.trigger)
            sample = Sample(self._clock(), failed=f"a fault in Funswarm itself: {fault!r}"[:300])
        self._answered(question, sample, touch)

    def _answered(self, question: Question, sample: Sample, touch: Touch) -> None:
        before, services = self._answers.get(question), self._asking.get(question)
        if services is None:
            return  # nobody wants to know any more
        self._answers[question] = sample
        if before is None or (before.value, before.failed) != (sample.value, sample.failed):
            touch(set(services))

    async def _forgetting(self) -> None:
        while True:
            await asyncio.sleep(FORGET_S / 10)
            self._forget(time.monotonic())

    def _forget(self, now: float) -> None:
        for name in [name for name, (_, at) in self._wanted.items() if now - at > FORGET_S]:
            self._drop(name, questions_of(self._wanted.pop(name)[0]))
            self._pushed.pop(name, None)
            self._steps.pop(name, None)

    def _drop(self, name: str, questions: Iterable[Question]) -> None:
        for question in questions:
            services = self._asking.get(question, set())
            services.discard(name)
            if not services:
                self._asking.pop(question, None)
                self._answers.pop(question, None)
                self._agenda.drop(question)
                self._since.pop(question, None)

    def _forget_used(self, now: datetime) -> None:
        oldest = now - timedelta(seconds=USED_S)
        self._used = {task: one for task, one in self._used.items() if one.at >= oldest}
