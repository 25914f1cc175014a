"""What the labels of an autoscaled service ask for. Pure; seconds, percents of a task's limit, replicas."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from funswarm.cron import UTC_ZONE
from funswarm.messages import Problem
from funswarm.spec import REPLICAS_MAX
from funswarm.state import ServiceState, Value
from funswarm.timetable import Timetable, ZoneName, zone_of
from funswarm.units import Duration, Flag
from funswarm.waking import wake_settings
from services.scheduler.policies.contract import Parsed
from services.scheduler.policies.labels import read

NAME: Final = "autoscale"
HOOK: Final = "hook"  # the trigger that is asked for by step_up and step_down
WINDOW_MAX_S: Final = 3600.0
FLOORS_MAX: Final = 8
_HOOKS: Final = frozenset({"orbiter", "com.df.scaleMin", "com.df.scaleMax", "com.df.scaleUpBy", "com.df.scaleDownBy"})
_PERCENT: Final = 80.0  # what swarm.autoscaler keeps to where it is told no threshold
_ALIASES: Final = {
    "swarm.autoscaler": "enable",
    "swarm.autoscaler.enable": "enable",
    "swarm.autoscaler.minimum": "min",
    "swarm.autoscaler.min_replicas": "min",
    "swarm.autoscaler.maximum": "max",
    "swarm.autoscaler.max_replicas": "max",
    "swarm.autoscaler.cpu.threshold": "cpu",
    "swarm.autoscaler.ram.threshold": "memory",
    "swarm.autoscaler.cooldown": "cooldown-minutes",
    "orbiter": "enable",
    "orbiter.up": "step-up",
    "orbiter.down": "step-down",
    "com.df.scaleMin": "min",
    "com.df.scaleMax": "max",
    "com.df.scaleUpBy": "step-up",
    "com.df.scaleDownBy": "step-down",
}


@dataclass(frozen=True, slots=True)
class Floor:
    """At least so many replicas between two times of a week, a day …"""

    start: Timetable
    end: Timetable
    replicas: int

    def holds(self, now: datetime) -> bool:
        """In the window: its end comes before its next start."""
        start, end = self.start.next_after(now, now), self.end.next_after(now, now)
        return end is not None and (start is None or end < start)


Count = Annotated[int, Field(ge=0, le=REPLICAS_MAX)]
Percent = Annotated[float, Field(gt=0, le=10_000)]
Window = Annotated[Duration, Field(le=WINDOW_MAX_S)]


def _floors(text: Any) -> Any:
    """`0 8 * * mon-fri to 0 20 * * mon-fri = 5`, several joined by `;`, as (start, end, replicas)."""
    if not isinstance(text, str):
        return text
    found = []
    for part in filter(str.strip, text.split(";")):
        times, equals, count = part.rpartition("=")
        start, to, end = times.partition(" to ")
        if not equals or not to or not count.strip().isdecimal():
            raise ValueError(f"{part.strip()!r} is no floor: write '0 8 * * mon-fri to 0 20 * * mon-fri = 5'")
        for time in (start, end):
            Timetable.parse(time.strip())
        found.append((start.strip(), end.strip(), int(count)))
    return tuple(found)


class Settings(Value):
    """`cpu`, `memory`: percent of its limit (else reservation) that a task should use. `lag`: messages of the JetStream
    consumer `stream`/`consumer` for each task. `query`: PromQL, `query_target` for each task (`average`) or in all
    (`value`). `push`: a number on a NATS subject, for each task; older than `push_age` it is none. `step_up`,
    `step_down`: so many more or fewer when a hook says up or down.

    `min` 0: to zero when all triggers are at or under `activation` for `cooldown`. `up_*`, `down_*`: stabilisation
    window, and at most the larger of percent and tasks in a period. `warm_up`: a younger task's use is no measure.
    `hand`: so long it yields to somebody else's write. `sticky`: a deploy that resets the replicas is put right.
    """

    min: Count = 1
    max: Annotated[int, Field(ge=1, le=REPLICAS_MAX)] = 5
    cpu: Percent | None = None
    memory: Percent | None = None
    lag: Annotated[float | None, Field(gt=0)] = None
    stream: str | None = None
    consumer: str | None = None
    query: str | None = Field(None, max_length=2000)
    query_target: Annotated[float | None, Field(gt=0)] = None
    query_kind: Literal["average", "value"] = "average"
    push: Annotated[float | None, Field(gt=0)] = None
    push_age: Duration = 120.0
    step_up: Count | None = None
    step_down: Count | None = None
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.1
    warm_up: Duration = 60.0
    up_window: Window = 0.0
    up_percent: Annotated[float, Field(ge=0)] = 100.0
    up_tasks: Count = 4
    up_period: Annotated[Window, Field(gt=0)] = 30.0
    down_window: Window = 300.0
    down_percent: Annotated[float, Field(ge=0, le=100)] = 25.0
    down_tasks: Count = 1
    down_period: Annotated[Window, Field(gt=0)] = 60.0
    activation: Annotated[float, Field(ge=0)] = 0.0
    cooldown: Duration = 300.0
    cooldown_minutes: Annotated[float | None, Field(ge=0, le=1440)] = None
    floors: Annotated[tuple[tuple[str, str, Count], ...], BeforeValidator(_floors), Field(max_length=FLOORS_MAX)] = ()
    timezone: ZoneName | None = None
    hand: Window = 300.0
    sticky: Flag = True
    fallback: Count | None = None
    fallback_after: Annotated[int, Field(ge=1, le=100)] = 3
    fallback_behaviour: Literal["static", "higher", "lower"] = "higher"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        if self.lag is not None and not (self.stream and self.consumer):
            raise ValueError("lag needs stream and consumer")
        if (self.query is None) != (self.query_target is None):
            raise ValueError("query and query-target go together")
        return self

    @property
    def triggers(self) -> tuple[str, ...]:
        """The names of those that are asked for."""
        measured = tuple(name for name in ("cpu", "memory", "lag", "query", "push") if getattr(self, name) is not None)
        return measured if self.step_up is None and self.step_down is None else (*measured, HOOK)

    @property
    def cooldown_s(self) -> float:
        """Of both ways to say it."""
        return self.cooldown if self.cooldown_minutes is None else 60 * self.cooldown_minutes

    def floor(self, now: datetime) -> int:
        """The highest of the floors that hold now; 0: none does."""
        zone = UTC_ZONE if self.timezone is None else zone_of(self.timezone)
        made = (Floor(Timetable.parse(a, zone), Timetable.parse(b, zone), count) for a, b, count in self.floors)
        return max((floor.replicas for floor in made if floor.holds(now)), default=0)


def parse(service: ServiceState) -> Parsed[Settings]:
    """`funswarm.autoscale.*`, and the labels of other autoscalers: `swarm.autoscaler*`, `orbiter*`, `com.df.scale*`."""
    parsed = read(Settings, NAME, service, switch="enable", aliases=_ALIASES)
    if parsed.settings is None:
        return parsed
    settings = _as_others_do(service, parsed.settings)
    reason = _unfit(service, settings)
    if reason is None:
        return Parsed(settings, parsed.problems)
    return Parsed(None, (*parsed.problems, Problem(source=NAME, service=service.name, reason=reason)))


def _as_others_do(service: ServiceState, settings: Settings) -> Settings:
    """What the tools whose labels these are do without being told: a step is 1; 80 percent of each limit."""
    labels = service.labels.keys()
    if _HOOKS & labels:
        steps = {"step_up": settings.step_up, "step_down": settings.step_down}
        return settings.model_copy(update={key: 1 for key, step in steps.items() if step is None})
    if settings.triggers or settings.floors or not {"swarm.autoscaler", "swarm.autoscaler.enable"} & labels:
        return settings
    limited = [name for name in ("cpu", "memory") if bound_of(service, name)]
    return settings.model_copy(update=dict.fromkeys(limited or ["cpu"], _PERCENT))


def bound_of(service: ServiceState, trigger: str) -> int:
    """What each of its tasks may use, in nanoseconds of CPU a second or bytes: its limit, else what it reserves."""
    resources = (service.spec.get("TaskTemplate") or {}).get("Resources") or {}
    key = "NanoCPUs" if trigger == "cpu" else "MemoryBytes"
    return next((found for part in ("Limits", "Reservations") if (found := (resources.get(part) or {}).get(key))), 0)


def _unfit(service: ServiceState, settings: Settings) -> str | None:
    if service.mode != "replicated":
        return f"its mode is {service.mode}: only replicated services have a number of replicas to set"
    if not settings.triggers and not settings.floors:
        return "there is nothing to scale by: give cpu, memory, lag, query, push, step-up, step-down or floors"
    is_woken = bool(settings.floors) or wake_settings(service.mode, service.labels) is not None
    if settings.min == 0 and not is_woken and not {*settings.triggers} - {"cpu", "memory"}:
        return "with min 0 nothing would wake it: what tasks use is 0 where there are none; give another trigger too"
    for trigger in ("cpu", "memory"):
        if trigger in settings.triggers and not bound_of(service, trigger):
            return f"{trigger} is percent of a limit, and it has none: give deploy.resources.limits (or reservations)"
    return None
