"""The autoscale policy: `decide` of this package in the frame of policies. Pure, but for `run`, which reads metrics.

Every ROUND_S, and as soon as a trigger asks for more, it is decided anew; what happens in between moves no window and
counts no failure. A deploy that resets the replicas is told from a user's hand by the label that it takes away.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from funswarm.commands import ScaleCommand
from funswarm.state import COMMAND_LABEL, ENDED_STATES, ServiceState, TaskState
from services.scheduler.policies.autoscale.deciding import Decided, Seen, decide
from services.scheduler.policies.autoscale.measures import Look, Measured, shown
from services.scheduler.policies.autoscale.proposals import Failed, Tasks, propose
from services.scheduler.policies.autoscale.settings import NAME, Settings, parse
from services.scheduler.policies.autoscale.windows import Memory
from services.scheduler.policies.capacity import room_for
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.record import moment
from services.scheduler.policies.surges import unsurged
from services.scheduler.policies.wake_reason import Wanted, awake_replicas
from services.scheduler.policies.wake_sessions import OpenSessions
from services.scheduler.raw_service import ROLLING

ROUND_S: Final = 15.0
PENDING_S: Final = 1.0
EARLY_S: Final = 0.5  # rounds are at full seconds, several at once, which costs less than each by itself

_HALF_S: Final = timedelta(seconds=0.5)

AutoscaleVerdict = Verdict[Memory]


class Gauges(Protocol):
    """What reads the metrics."""

    def of(self, name: str) -> Measured: ...

    def wants(self, name: str, settings: Settings) -> None: ...

    async def run(self, touch: Callable[[set[str]], None]) -> None: ...


class Autoscale(Policy[Settings, Memory]):
    """`funswarm.autoscale.*`."""

    name = NAME
    memory = Memory
    needs_tasks = True

    def __init__(self, gauges: Gauges, sessions: OpenSessions | None = None) -> None:
        self._gauges = gauges
        self._sessions = sessions

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        return parse(service)

    def yields_s(self, settings: Settings) -> float:
        return settings.hand

    def observed(self, name: str) -> Measured:
        measured, sessions = self._gauges.of(name), self._sessions.open() if self._sessions is not None else {}
        return replace(measured, pending=True) if sessions is None else replace(measured, sessions=sessions)

    async def run(self, touch: Callable[[set[str]], None]) -> None:
        await self._gauges.run(touch)

    def decide(self, situation: Situation[Settings, Memory]) -> AutoscaleVerdict:
        assert situation.settings is not None, "as the contract says"
        self._gauges.wants(situation.name, situation.settings)
        return _Round(situation).verdict()


class _Round:
    """One look at one service."""

    def __init__(self, situation: Situation[Settings, Memory]) -> None:
        assert situation.service is not None and situation.settings is not None, "as the contract says"  # noqa: PT018
        self._situation, self._now = situation, situation.now
        self._service, self._settings = unsurged(situation.service), situation.settings
        self._current = self._service.replicas or 0
        self._kept = situation.memory or self._begun()
        self._tasks = _tasks(situation.world.tasks_of(situation.service.id))
        self._measured: Measured = situation.observed or Measured()
        self._ready, self._young = self._running()
        self._awake = awake_replicas(self._service, Wanted(self._measured.sessions, self._now))
        look = Look(self._service, self._settings, self._measured, self._ready, self._now)
        self._memory = look.stepped(self._updated())
        self._readings = look.readings(self._memory)

    def verdict(self) -> AutoscaleVerdict:
        if (restored := self._reset()) is not None:
            return restored
        if self._measured.pending and not self._wants_more():
            return replace(self._rest(self._memory), again_at=self._now + timedelta(seconds=PENDING_S))
        if not self._is_due() and not self._wants_more():
            return self._rest(self._memory)
        decided = self._decided()
        memory = decided.memory
        if memory != self._kept:  # a round that changes nothing worth keeping needs no time
            memory = memory.model_copy(update={"rounded_at": self._now})
        said = Said(decided.reason, shown(self._readings, self._measured, self._now), decided.formula, decided.limiter)
        more = decided.replicas - self._current
        if not more:
            return self._rest(memory, said)
        command = ScaleCommand(id=UNNAMED, target=self._service.name, replicas=decided.replicas)
        return self._rest(memory, said, Ask(command, direction="up" if more > 0 else "down"))

    # What is remembered.
    def _begun(self) -> Memory:
        """What there is counts as recommended, so that the first look takes nothing away before its window is over."""
        return Memory().recommends(self._current, self._settings, self._now) if self._current else Memory()

    def _updated(self) -> Memory:
        """With what has happened since: the replicas that are in force, and somebody's hand on them.

        What was asked for counts only now: it may have been refused.
        """
        hand, memory, sent = self._situation.hand, self._kept, self._situation.sent
        label = self._service.labels.get(COMMAND_LABEL)
        if memory.seen is not None and memory.seen != self._current:
            at = sent.at if sent is not None and sent.command.id == label else self._now
            memory = memory.changes(self._current - memory.seen, self._settings, at)
        memory = memory.model_copy(update={"seen": self._current})
        if label is not None:
            memory = memory.model_copy(update={"replicas": self._current})
        if hand is not None and self._now < hand.at + timedelta(seconds=self._settings.hand) and memory.asked:
            memory = memory.model_copy(update={"asked": None})
        return memory

    def _reset(self) -> AutoscaleVerdict | None:
        """Bring back what was in force before a deploy reset it. To 0 somebody means it; from 0 it is decided anew."""
        before, current, settings = self._memory.replicas, self._current, self._settings
        is_meant = COMMAND_LABEL in self._service.labels or (current == 0 and settings.min > 0)
        if not settings.sticky or is_meant or not before:
            return None
        count = min(max(before, settings.min), settings.max)
        if count == current:
            return None
        said = Said(f"it was deployed anew with {current} replicas: back to the {before} that it had")
        command = ScaleCommand(id=UNNAMED, target=self._service.name, replicas=count)
        ask: Ask[Memory] = Ask(command, direction="up" if count > current else "down", over_hand=True)
        return self._rest(self._memory, said, ask)

    # When to decide.
    def _is_due(self) -> bool:
        before = self._kept.rounded_at
        return before is None or abs((self._now - before).total_seconds()) >= ROUND_S - EARLY_S

    def _wants_more(self) -> bool:
        """A trigger asks for more than there is: not to be waited with."""
        if self._current == 0:
            if self._settings.min > 0:  # out of use
                return False
            totals = (one.total for one in self._readings if not isinstance(one, Failed))
            return self._awake > 0 or any(total > self._settings.activation for total in totals)
        tasks = Tasks(self._current, self._ready, self._young)
        wanted = (propose(one, tasks, self._settings.tolerance).replicas for one in self._readings)
        more = self._awake > self._current or any(count is not None and count > self._current for count in wanted)
        return more and self._current < self._settings.max

    # What is decided.
    def _decided(self) -> Decided:
        """Where it is more than there are, once more with the room that nodes have: that takes longest to find out."""
        status = self._service.update_status
        seen = Seen(
            tasks=Tasks(self._current, self._ready, self._young),
            readings=self._readings,
            unplaced=any(task.node_id is None for task in self._tasks),
            rollout=status.state if status is not None and status.state in ROLLING else None,
            awake=self._awake,
        )
        decided = decide(seen, self._settings, self._memory, self._now)
        if decided.replicas <= self._current:
            return decided
        room = room_for(self._service, decided.replicas - self._current, self._situation.world)
        seen = replace(seen, room=self._current + room.more, per_node=room.per_node)
        return decide(seen, self._settings, self._memory, self._now)

    def _running(self) -> tuple[frozenset[str], frozenset[str]]:
        """The ids of the tasks that run, and of those among them that warm up."""
        running = [task for task in self._tasks if task.state == "running"]
        since = self._now - timedelta(seconds=self._settings.warm_up)
        young = frozenset(task.id for task in running if _entered(task, since) > since)
        return frozenset(task.id for task in running), young

    def _rest(self, memory: Memory, said: Said | None = None, ask: Ask[Memory] | None = None) -> AutoscaleVerdict:
        before, pace = self._kept.rounded_at, timedelta(seconds=ROUND_S)
        begun = self._now if before is None or self._is_due() else min(before, self._now)
        return Verdict(memory, ask, said, again_at=(begun + pace + _HALF_S).replace(microsecond=0))


def _tasks(known: tuple[TaskState, ...]) -> tuple[TaskState, ...]:
    """Those that are wanted."""
    return tuple(task for task in known if task.desired_state == "running" and task.state not in ENDED_STATES)


def _entered(task: TaskState, otherwise: datetime) -> datetime:
    """When it began to run."""
    try:
        return moment(task.timestamp)
    except ValueError:
        return otherwise
