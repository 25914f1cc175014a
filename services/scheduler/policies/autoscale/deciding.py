"""How many replicas an autoscaled service shall have now, and why. Pure: the same inputs give the same decision.

In this order: what triggers propose (the highest counts; where one has failed, never down); the schedule's floors; from
zero and to zero; stabilisation; rate; min and max; the nodes' room; waves. Whatever takes something away is a limiter.
During a rollout all of that goes on, and nothing comes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.scheduler.policies.autoscale.proposals import Failed, Proposal, Reading, Tasks, Use, propose
from services.scheduler.policies.autoscale.settings import Settings
from services.scheduler.policies.autoscale.windows import Memory, limited, stabilised


@dataclass(frozen=True, slots=True)
class Seen:
    """`room`: so many tasks have a node at most, None: not known. `unplaced`: some wait for a node. `rollout`: its
    state, where one is under way. `per_node`: how many tasks each node has that may have more. `awake`: so many at
    least, because somebody asks for it (the labels of the policy wake); 0: nobody does.
    """

    tasks: Tasks
    readings: tuple[Reading, ...] = ()
    room: int | None = None
    unplaced: bool = False
    rollout: str | None = None
    per_node: Mapping[str, int] = field(default_factory=dict)
    awake: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """`replicas`: what to set, the current ones: nothing to do. `memory`: to be kept in any case."""

    replicas: int
    memory: Memory
    reason: str
    formula: str = ""
    limiters: tuple[str, ...] = ()

    @property
    def limiter(self) -> str | None:
        """All in one line; None: nothing took anything away."""
        return "; ".join(self.limiters) or None


def decide(seen: Seen, settings: Settings, memory: Memory | None, now: datetime) -> Decided:
    """The decision; where it is carried out, `Memory.changes` is to be told of it."""
    return _Deciding(seen, settings, memory or Memory(), now).decided()


class _Deciding:
    """One decision; what is wanted goes through it as `wanted`, and each step may change it."""

    def __init__(self, seen: Seen, settings: Settings, memory: Memory, now: datetime) -> None:
        self._seen, self._settings, self._now = seen, settings, now
        self._memory = memory
        self._current = seen.tasks.wanted
        self._limiters: list[str] = []
        self._proposals = [propose(one, seen.tasks, settings.tolerance) for one in seen.readings]

    def decided(self) -> Decided:
        settings, current = self._settings, self._current
        floor = max(settings.floor(self._now), self._seen.awake)
        self._note(floor)
        if current == 0 and settings.min > 0:
            return self._stays("somebody has scaled it to 0, which is out of use: scale it up to go on")
        if current == 0:
            return self._from_zero(floor)
        wanted, reason = self._recommended()
        if wanted is None:
            wanted = current
        if floor > wanted:
            wanted, reason = floor, self._floored(floor)
        wanted = max(wanted, settings.min, 1)
        self._memory = self._memory.recommends(wanted, settings, self._now)
        if self._is_idle():
            return self._done(0, f"nothing to do for {settings.cooldown_s:g} s")
        return self._done(self._bounded(self._damped(wanted)), reason)

    def _note(self, floor: int) -> None:
        """Whether there is something to do, and how often nothing could be read.

        What tasks use says nothing of the former, as with KEDA: an idle one uses some, and without tasks there is none.
        """
        readings, before = self._seen.readings, self._memory.active_at
        failed = [one for one in readings if isinstance(one, Failed)]
        totals = [one.total for one in readings if not isinstance(one, Failed | Use)]
        self._is_active = floor > 0 or any(total > self._settings.activation for total in totals)
        active_at = None  # where it never goes to zero: a time would have to be kept each round
        if self._settings.min == 0:
            active_at = self._now if self._is_active or failed or before is None else min(before, self._now)
        failures = self._memory.failures + 1 if failed and len(failed) == len(readings) else 0
        self._memory = self._memory.model_copy(update={"failures": failures, "active_at": active_at})

    def _recommended(self) -> tuple[int | None, str]:
        """What the triggers want; None: nothing can be said."""
        said = [one for one in self._proposals if one.replicas is not None]
        if not said:
            return self._fallen_back()
        best = max(said, key=lambda one: one.replicas or 0)
        failed = [one.trigger for one in self._proposals if one.replicas is None]
        wanted = best.replicas or 0
        if failed and wanted < self._current:
            self._limiters.append(f"{', '.join(failed)} cannot be read: not down meanwhile")
            return self._current, f"{best.trigger} wants {wanted}"
        return wanted, f"{best.trigger} wants {wanted}"

    def _fallen_back(self) -> tuple[int | None, str]:
        settings = self._settings
        if not self._proposals:
            return settings.min, "no trigger is asked for"
        reason = "; ".join(f"{one.trigger}: {one.formula}" for one in self._proposals)
        if settings.fallback is None or self._memory.failures < settings.fallback_after:
            return None, f"nothing can be read: {reason}"
        kinds = {"static": settings.fallback, "higher": max(settings.fallback, self._current)}
        count = kinds.get(settings.fallback_behaviour, min(settings.fallback, self._current))
        return count, f"nothing could be read {self._memory.failures} times, so the fallback holds: {reason}"

    # Zero.
    def _from_zero(self, floor: int) -> Decided:
        if not self._is_active:
            return self._stays("nothing to do")
        self._memory = self._memory.recommends(max(1, floor), self._settings, self._now)
        reason = self._floored(floor) if floor else "there is something to do"
        return self._done(self._bounded(max(1, floor)), reason)

    def _floored(self, floor: int) -> str:
        who = "who asks for it" if self._seen.awake == floor else "the schedule"
        return f"{who} wants {floor} at least"

    def _is_idle(self) -> bool:
        settings, active_at = self._settings, self._memory.active_at
        may = settings.min == 0 and not self._is_active
        return may and active_at is not None and self._now - active_at >= timedelta(seconds=settings.cooldown_s)

    # Bounds.
    def _damped(self, wanted: int) -> int:
        current, settings = self._current, self._settings
        steady = stabilised(current, self._memory, settings, self._now)
        if steady != wanted:
            window = settings.down_window if wanted < steady else settings.up_window
            self._limiters.append(f"the stabilisation of {window:g} s keeps it at {steady}")
        slow = limited(current, steady, self._memory, settings, self._now)
        if slow != steady:
            self._limiters.append(f"the rate lets it go to {slow}")
        return slow

    def _bounded(self, wanted: int) -> int:
        settings, seen, current = self._settings, self._seen, self._current
        bound = min(max(wanted, settings.min), settings.max)
        if bound != wanted:
            self._limiters.append(f"min {settings.min} and max {settings.max}")
        if bound > current and seen.unplaced:
            self._limiters.append("tasks of it wait for a node already")
            return min(current, settings.max)
        if seen.room is not None and bound > max(seen.room, current):
            bound = max(seen.room, current)
            self._limiters.append(f"the nodes have room for {seen.room}")
        return self._wave(bound)

    def _wave(self, wanted: int) -> int:
        """Swarm heaps what does not go round: where nodes are uneven, as many at once as there are emptiest ones."""
        counts = self._seen.per_node.values()
        if wanted <= self._current or not counts or max(counts) - min(counts) <= 1:
            return wanted
        step = sum(count == min(counts) for count in counts)
        if wanted - self._current <= step:
            return wanted
        self._limiters.append(f"nodes are uneven: {step} at once")
        return self._current + step

    # The end.
    def _stays(self, reason: str) -> Decided:
        return self._done(self._current, reason)

    def _done(self, replicas: int, reason: str) -> Decided:
        rollout = self._seen.rollout
        if rollout is not None:
            self._limiters, replicas = [], self._current
            reason = f"its rollout is {rollout}: it is left alone until that has settled"
        return Decided(replicas, self._memory, reason, _formulas(self._proposals), tuple(self._limiters))


def _formulas(proposals: list[Proposal]) -> str:
    return "; ".join(f"{one.trigger}: {one.formula}" for one in proposals)
