"""The depends-on policy: a service that is deployed with 0 replicas gets them when what it depends on is there. Pure.

`funswarm.depends-on=db:healthy,migrate:completed`, and in `.replicas` how many it is to have. A name is that of a
service of the same stack, else of any. A service that somebody stopped by a command of Funswarm stays stopped.
"""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from funswarm.commands import ScaleCommand
from funswarm.messages import Problem
from funswarm.spec import REPLICAS_MAX
from funswarm.state import COMMAND_LABEL, ConditionStatus, ServiceState, Value
from funswarm.units import Duration
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict, World
from services.scheduler.policies.labels import read
from services.scheduler.policies.record import OWN_PREFIX

STACK: Final = "com.docker.stack.namespace"
DEPENDENCIES_MAX: Final = 50
_STATES: Final = ("started", "healthy", "completed")
_WELL: Final = (ConditionStatus.CONVERGED, ConditionStatus.ROLLED_BACK)


class Dependency(Value):
    """`started`: it exists, with replicas. `healthy`: it has converged. `completed`: a job whose tasks have ended."""

    service: str
    state: Literal["started", "healthy", "completed"] = "healthy"


def _dependencies(text: object) -> object:
    """`db:healthy,cache`, as a list.

    Raises:
        ValueError: an entry is none.
    """
    if not isinstance(text, str):
        return text
    found = []
    for entry in text.split(","):
        name, _, state = entry.strip().partition(":")
        if not name or (state and state not in _STATES):
            raise ValueError(f"{entry.strip()!r} is no dependency: write name:{'|'.join(_STATES)}, joined by commas")
        found.append({"service": name, "state": state or "healthy"})
    return found


class Settings(Value):
    """The labels. `on_loss`: whether it is stopped when a dependency is lost for `loss_after`."""

    on: Annotated[tuple[Dependency, ...], BeforeValidator(_dependencies), Field(max_length=DEPENDENCIES_MAX)]
    replicas: int = Field(1, ge=1, le=REPLICAS_MAX)
    on_loss: Literal["keep", "stop"] = "keep"
    loss_after: Duration = Field(60.0, ge=1.0)


class Memory(Value):
    """`started`: it has had its replicas. `lost_at`: since when a dependency is lost, as a timestamp in seconds."""

    started: bool = False
    lost_at: float | None = None


class DependsOn(Policy[Settings, Memory]):
    """See above."""

    name = "depends-on"
    memory = Memory

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        parsed = read(Settings, self.name, service, valued="on")
        if parsed.settings is None or service.mode == "replicated":
            return parsed
        reason = f"it is {service.mode}: only a replicated service can wait with 0 replicas"
        return Parsed(None, (*parsed.problems, Problem(source=self.name, service=service.name, reason=reason)))

    def topics(self, service: ServiceState, settings: Settings) -> frozenset[str]:
        return frozenset(name for one in settings.on for name in _names(service, one.service))

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        service, settings = situation.service, situation.settings
        assert service is not None
        assert settings is not None
        memory = situation.memory or Memory()
        missing = [why for one in settings.on if (why := unmet(service, one, situation.world)) is not None]
        if service.replicas:
            return _running(situation, memory, missing, settings)
        if memory.started and stopped_by_command(service):
            return Verdict(memory)
        waiting = Memory()
        if missing:
            cycle = circle(service, settings, situation.world)
            said = Said("waits for " + "; ".join(missing), {"waits_for": missing}, limiter=cycle)
            return Verdict(waiting, said=said, claims="it waits for what it depends on")
        command = ScaleCommand(id=UNNAMED, target=service.name, replicas=settings.replicas)
        said = Said(
            "all that it depends on is there", {"depends_on": [f"{one.service}:{one.state}" for one in settings.on]}
        )
        return Verdict(waiting, Ask(command, direction="up"), said)


def _running(
    situation: Situation[Settings, Memory], memory: Memory, missing: list[str], settings: Settings
) -> Verdict[Memory]:
    started = Memory(started=True)
    if not missing or settings.on_loss == "keep":
        return Verdict(started)
    now = situation.now.timestamp()
    lost = Memory(started=True, lost_at=memory.lost_at if memory.lost_at is not None else now)
    left_s = (lost.lost_at or now) + settings.loss_after - now
    said = Said("has lost " + "; ".join(missing), {"lost": missing}, f"stops after {settings.loss_after:g} s")
    if left_s > 0:
        return Verdict(lost, said=said, again_at=situation.now + timedelta(seconds=left_s))
    command = ScaleCommand(id=UNNAMED, target=situation.name, replicas=0)
    return Verdict(lost, Ask(command, direction="down"), said)


def unmet(service: ServiceState, dependency: Dependency, world: World) -> str | None:
    """What of a dependency is not there yet; None: it is."""
    found = next((one for name in _names(service, dependency.service) if (one := world.service(name))), None)
    if found is None:
        return f"{dependency.service}, which does not exist"
    how = found.condition.status.value + (f": {found.condition.reason}" if found.condition.reason else "")
    if dependency.state == "completed" and not found.mode.endswith("job"):
        return f"{found.name} to complete, which is no job"
    if found.replicas == 0:
        return f"{found.name}, which has no replicas"
    if dependency.state == "started" or found.condition.status in _WELL:
        return None
    return f"{found.name} to be {dependency.state}, which is {how}"


def circle(service: ServiceState, settings: Settings, world: World) -> str | None:
    """The way by which it waits for itself; None: there is none."""
    ways: list[tuple[ServiceState, Settings, tuple[str, ...]]] = [(service, settings, (service.name,))]
    seen: set[str] = set()
    while ways:
        one, asked, way = ways.pop()
        for dependency in asked.on:
            after = next((found for name in _names(one, dependency.service) if (found := world.service(name))), None)
            if after is None:
                continue
            if after.name == service.name:
                return "it waits for itself: " + " → ".join((*way, after.name))
            parsed = read(Settings, DependsOn.name, after, valued="on").settings
            if parsed is not None and after.name not in seen:
                seen.add(after.name)
                ways.append((after, parsed, (*way, after.name)))
    return None


def _names(service: ServiceState, name: str) -> tuple[str, ...]:
    """What a name in the label may mean, the likeliest first."""
    stack = service.labels.get(STACK)
    return (f"{stack}_{name}", name) if stack else (name,)


def stopped_by_command(service: ServiceState) -> bool:
    """Whether it was a command of Funswarm, and no policy's, that wrote it last."""
    label = service.labels.get(COMMAND_LABEL)
    return label is not None and not label.startswith(OWN_PREFIX)
