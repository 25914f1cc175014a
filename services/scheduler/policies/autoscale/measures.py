"""What triggers have measured, with its age, as readings that proposals are made from. Pure.

gauges (I/O) -> `Measured` -> `readings_of` -> `deciding`. What is too old, or could not be read, has failed: an old
number is never taken for today's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from funswarm.sessions import Session
from funswarm.state import ServiceState
from services.scheduler.policies.autoscale.proposals import Amount, Failed, Level, Reading, Use, Wish
from services.scheduler.policies.autoscale.settings import HOOK, Settings, bound_of
from services.scheduler.policies.autoscale.windows import Memory

AGES_MAX_S: Final[Mapping[str, float]] = {"lag": 30.0, "query": 60.0, "cpu": 60.0, "memory": 60.0}
STEP_AGE_MAX_S: Final = 60.0
NANO: Final = 1e9


@dataclass(frozen=True, slots=True)
class Sample:
    """A number and when it was read; or why it could not be."""

    at: datetime
    value: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What a task uses: processors (1.5: one and a half), and bytes."""

    at: datetime
    processors: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """A hook said so; the times of a service's steps differ."""

    at: datetime
    way: Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one service: samples by trigger, the last steps, oldest first. `used`: of all tasks, by id.

    `pending`: something is being read for the first time, and will be there in a moment. `sessions`: those that are
    open, of all services.
    """

    samples: Mapping[str, Sample] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    used: Mapping[str, Used] = field(default_factory=dict)
    pending: bool = False
    sessions: Mapping[str, Session] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one service now. `tasks`: the ids of those that run."""

    service: ServiceState
    settings: Settings
    measured: Measured
    tasks: frozenset[str]
    now: datetime

    def readings(self, memory: Memory) -> tuple[Reading, ...]:
        """One for each trigger that is asked for; besides others a hook counts only once it has said something."""
        names = self.settings.triggers
        if memory.asked is None and len(names) > 1:
            names = tuple(name for name in names if name != HOOK)
        return tuple(self._reading(name, memory) for name in names)

    def stepped(self, memory: Memory) -> Memory:
        """The memory with the steps that have come since laid on."""
        settings, oldest = self.settings, self.now - timedelta(seconds=STEP_AGE_MAX_S)
        if memory.stepped_at is not None:
            oldest = max(oldest, memory.stepped_at)
        new = [step for step in self.measured.steps if step.at > oldest]
        if not new:
            return memory
        asked = self._asked(memory)
        for step in new:
            asked += (settings.step_up or 0) if step.way == "up" else -(settings.step_down or 0)
            asked = min(max(asked, settings.min), settings.max)
        return memory.model_copy(update={"asked": asked, "stepped_at": new[-1].at})

    def _asked(self, memory: Memory) -> int:
        return memory.asked if memory.asked is not None else self.service.replicas or 0

    def _reading(self, name: str, memory: Memory) -> Reading:
        settings = self.settings
        if name == HOOK:
            return Wish(HOOK, self._asked(memory))
        if name in ("cpu", "memory"):
            return self._use(name)
        sample = self.measured.samples.get(name)
        if sample is None:
            return Failed(name, "nothing was pushed yet" if name == "push" else "it was not read yet")
        age_s, age_max_s = (self.now - sample.at).total_seconds(), AGES_MAX_S.get(name, settings.push_age)
        if sample.failed is not None:
            return Failed(name, sample.failed)
        if age_s > age_max_s:
            return Failed(name, f"its last value is older than {age_max_s:g} s")
        target = getattr(settings, "query_target" if name == "query" else name)
        kind = Level if name == "query" and settings.query_kind == "value" else Amount
        return kind(name, target, sample.value)

    def _use(self, name: str) -> Reading:
        bound, oldest = bound_of(self.service, name), self.now - timedelta(seconds=AGES_MAX_S[name])
        used = self.measured.used
        recent = {task: use for task in self.tasks if (use := used.get(task)) is not None and use.at >= oldest}
        if self.tasks and not recent:
            return Failed(name, "no node agent tells what its tasks use: is the agent deployed?")
        amounts = {task: use.processors * NANO if name == "cpu" else use.memory_bytes for task, use in recent.items()}
        percents = {task: 100.0 * amount / bound for task, amount in amounts.items()}
        return Use(name, getattr(self.settings, name), percents)


def shown(readings: tuple[Reading, ...], measured: Measured, now: datetime) -> dict[str, Any]:
    """The numbers as a decision tells them: values, and their age in seconds."""
    found: dict[str, Any] = {}
    for reading in readings:
        if isinstance(reading, Failed):
            found[reading.trigger] = None
            continue
        found[reading.trigger] = round(reading.total, 3)
        if (sample := measured.samples.get(reading.trigger)) is not None:
            found[f"{reading.trigger}_age_s"] = round((now - sample.at).total_seconds(), 1)
    return found
