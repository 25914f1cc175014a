"""Tells people what policies decide, and which labels they do not follow. I/O by the bus, in the background.

A decision is told when it differs from the last that the policy told of that service; one without a command at most
once a minute. What cannot be told now is told later, at most `WAITING_MAX` of them; commands never wait for it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from funswarm.decisions import Decision, DecisionOutcome
from funswarm.errors import TemporaryError
from funswarm.messages import MSG_ID_HEADER, Problem
from services.bus.connection import Bus
from services.bus.problems import ProblemTeller
from services.scheduler.metrics import Metrics
from services.scheduler.policies.world import Known

PACE_S: Final = 60.0
WAITING_MAX: Final = 5000
RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)

_Gist = tuple[object, ...]
_ALWAYS_TOLD: Final = (DecisionOutcome.COMMANDED, DecisionOutcome.HAPPENED)


class Telling:
    """`run` it; what is to be told is handed over without waiting. `sources`: who may find problems."""

    def __init__(self, bus: Bus, world: Known, sources: Sequence[str], metrics: Metrics) -> None:
        self._bus = bus
        self._world = world
        self._metrics = metrics
        self._tellers = {source: ProblemTeller(bus, source) for source in sources}
        self._waiting: deque[Decision] = deque(maxlen=WAITING_MAX)
        self._told: dict[tuple[str, str], tuple[_Gist, datetime]] = {}
        self._stirred = asyncio.Event()
        self._looked: set[str] = set()  # services whose problems are to be told anew
        self._troubled: dict[str, tuple[Problem, ...]] = {}  # what was told last, by service
        self._all_told = False

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Tell these, unless they are no news."""
        for decision in decisions:
            if self._is_news(decision):
                self._metrics.decided(decision)
                self._waiting.append(decision)
                self._stirred.set()

    def labels_changed(self, services: set[str]) -> None:
        """The labels of these may have changed, by name."""
        self._looked |= services
        self._stirred.set()

    def forget(self, service: str) -> None:
        """It is gone: what was told of it is no measure for another one of its name."""
        for key in [key for key in self._told if key[1] == service]:
            del self._told[key]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            for tell in (self._problems, self._publish_all):
                try:
                    await tell()
                except TemporaryError as error:
                    log.warning("decisions and problems are told later", reason=str(error))
                    await asyncio.sleep(RETRY_S)
                    self._stirred.set()
                except Exception as error:  # the other of the two goes on
                    log.exception("problems cannot be told", reason=str(error))

    def _is_news(self, decision: Decision) -> bool:
        key, gist = (decision.policy, decision.service), _gist(decision)
        last = self._told.get(key)
        if decision.outcome not in _ALWAYS_TOLD and last is not None:
            recent = decision.time < last[1] + timedelta(seconds=PACE_S) and last[0][0] == gist[0]
            if last[0] == gist or recent:
                return False
        self._told[key] = (gist, decision.time)
        return True

    async def _publish_all(self) -> None:
        while self._waiting:
            decision = self._waiting.popleft()
            try:
                await self._publish(decision)
            except TemporaryError:
                if len(self._waiting) < WAITING_MAX:  # else it is the oldest, which the others push out
                    self._waiting.appendleft(decision)
                raise
            except Exception as error:  # of this one only
                log.exception("a decision cannot be told", policy=decision.policy, reason=str(error))

    async def _publish(self, decision: Decision) -> None:
        subject = self._bus.subjects.decision(decision.policy, decision.service)
        headers = {MSG_ID_HEADER: f"decision-{decision.id}"}
        body = decision.model_dump_json(exclude_defaults=True).encode()
        await self._bus.publish(subject, body, headers, self._bus.subjects.reports_stream)

    async def _problems(self) -> None:
        """All of all services once, since some may have been solved while nobody looked; then what changes."""
        if not self._world.complete:
            return
        if not self._all_told:
            entries = self._world.problems()
            for source, teller in self._tellers.items():
                await teller.tell_all({one.state.name: _of(one.asked.problems, source) for one in entries})
            self._troubled = {one.state.name: one.asked.problems for one in entries}
            self._all_told = True
        while self._looked:
            service = next(iter(self._looked))
            entry = self._world.entry(service)
            problems = entry.asked.problems if entry is not None else ()
            before = self._troubled.get(service, ())
            if problems != before:
                for source in _sources(before) | _sources(problems):
                    await self._tellers[source].tell(service, _of(problems, source))
                self._troubled[service] = problems
                if not problems:
                    del self._troubled[service]
            self._looked.discard(service)
        self._metrics.problems.set(sum(map(len, self._troubled.values())))


def _gist(decision: Decision) -> _Gist:
    """What makes a decision another one: not its numbers."""
    after, limiter = decision.after, decision.limiter
    rests = decision.outcome in (DecisionOutcome.NOTHING, DecisionOutcome.FAILED)
    return decision.outcome, decision.verb, after, limiter, decision.reason if rests else ""


def _of(problems: Sequence[Problem], source: str) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.source == source)


def _sources(problems: Sequence[Problem]) -> frozenset[str]:
    return frozenset(problem.source for problem in problems)
