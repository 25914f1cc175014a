"""The group policy: services that start together or not at all, where there is room for all of them. Pure.

`funswarm.group=NAME` on each, deployed with 0 replicas; `.size`, how many services the group has; `.replicas`, how many
of this one. The first by name decides for all: one batch of commands starts them, and one stops them again where they
do not all run `.timeout` later; after `.retry` it is tried anew. The groups of different stacks are different groups.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from funswarm.commands import BATCH_MAX, BatchCommand, BatchItem
from funswarm.messages import Problem
from funswarm.spec import REPLICAS_MAX
from funswarm.state import ConditionStatus, ServiceState, Value
from funswarm.units import Duration
from services.scheduler.policies.capacity import why_not
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict, World
from services.scheduler.policies.depends_on import STACK, stopped_by_command
from services.scheduler.policies.labels import read
from services.scheduler.policies.record import succeeded, underway

TOLD_S: Final = 5.0  # so long it may take until all that a batch wrote is told


class Settings(Value):
    """The labels."""

    of: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    size: int = Field(ge=1, le=BATCH_MAX)
    replicas: int = Field(1, ge=1, le=REPLICAS_MAX)
    timeout: Duration = Field(120.0, ge=1.0)
    retry: Duration = Field(300.0, ge=1.0)


class Memory(Value):
    """Of the first of the group. `began_at`: when all were started. `complete`: all ran. `retry_at`: not before."""

    began_at: datetime | None = None
    complete: bool = False
    retry_at: datetime | None = None


Member = tuple[ServiceState, Settings]


class Group(Policy[Settings, Memory]):
    """See above."""

    name = "group"
    memory = Memory
    needs_tasks = True
    needs_all_tasks = True

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        parsed = read(Settings, self.name, service, valued="of")
        if parsed.settings is None:
            return parsed
        reason = None
        if service.mode != "replicated":
            reason = f"it is {service.mode}: only a replicated service can wait with 0 replicas"
        elif "funswarm.depends-on" in service.labels:
            reason = "it is in a group and depends on others: its start can be decided in one way only, use either"
        if reason is None:
            return parsed
        return Parsed(None, (*parsed.problems, Problem(source=self.name, service=service.name, reason=reason)))

    def topics(self, service: ServiceState, settings: Settings) -> frozenset[str]:
        return frozenset({f"group:{_key(service, settings)}"})

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        service, settings = situation.service, situation.settings
        assert service is not None
        assert settings is not None
        members = members_of(service, settings, situation.world)
        first = members[0][0]
        if service.name != first.name:
            waits = f"it starts with its group {settings.of}, for which {first.name} decides"
            return Verdict(claims=waits if service.replicas == 0 else None)
        memory = situation.memory or Memory()
        if memory.complete and all(one.replicas == 0 and not stopped_by_command(one) for one, _ in members):
            memory = Memory()  # deployed anew
        if memory.complete:
            return Verdict(memory)
        if memory.began_at is not None:
            return _begun(memory, memory.began_at, members, situation, settings)
        return _waiting(memory, members, situation, settings)


def _waiting(
    memory: Memory, members: list[Member], situation: Situation[Settings, Memory], settings: Settings
) -> Verdict[Memory]:
    """Not started yet: are all there, and is there room?"""
    idle = [(service, asked.replicas) for service, asked in members if service.replicas == 0]
    claims = f"it starts with its group {settings.of}"
    if len(members) != settings.size:
        names = ", ".join(service.name for service, _ in members)
        there = Said(f"{len(members)} of {settings.size} services of the group {settings.of} are there: {names}")
        return Verdict(memory, said=there, claims=claims if idle else None)
    if not idle:
        return Verdict(Memory(complete=True))
    if memory.retry_at is not None and situation.now < memory.retry_at:
        return Verdict(memory, claims=claims, again_at=memory.retry_at)
    inputs = {"replicas": {service.name: count for service, count in idle}}
    if (reason := why_not(idle, situation.world)) is not None:
        said = Said(f"the group {settings.of} does not start: there is no room for all", inputs, limiter=reason)
        return Verdict(memory, said=said, claims=claims, again_at=situation.now + timedelta(seconds=30))
    said = Said(f"all {len(members)} services of the group {settings.of} are there, and there is room for them", inputs)
    begun = Memory(began_at=situation.now)
    return Verdict(memory, Ask(_scaled(settings, idle), memory=begun, direction="up"), said, claims)


def _begun(
    memory: Memory,
    began_at: datetime,
    members: list[Member],
    situation: Situation[Settings, Memory],
    settings: Settings,
) -> Verdict[Memory]:
    """Started: do all run?"""
    now, sent, result = situation.now, situation.sent, situation.result
    claims = f"its group {settings.of} is starting"
    if sent is not None and underway(sent, result, now):
        return Verdict(memory, claims=claims)
    done_at = result.finished_at if succeeded(result) else None
    until = began_at + timedelta(seconds=settings.timeout)
    is_stop = sent is not None and sent.at >= until
    running = [(service, 0) for service, _ in members if service.replicas]
    if sent is not None and not is_stop and done_at is None and not running:  # the frame says why, and when again
        return _waiting(Memory(), members, situation, settings)
    missing = [service for service, _ in members if service.condition.status is not ConditionStatus.CONVERGED]
    missing += [service for service, _ in members if service.replicas == 0 and service not in missing]
    if not missing:
        return Verdict(Memory(complete=True), said=Said(f"all of the group {settings.of} run"))
    if now < until:
        return Verdict(memory, claims=claims, again_at=until)
    why = "; ".join(f"{one.name} is {one.condition.status.value}: {one.condition.reason or '-'}" for one in missing)
    reason = f"the group {settings.of} did not run after {settings.timeout:g} s: all are stopped"
    said = Said(reason, {"missing": why}, limiter=why)
    if not running:
        retry = Memory(retry_at=now + timedelta(seconds=settings.retry))
        return Verdict(retry, said=None if is_stop else said, claims=claims, again_at=retry.retry_at)
    if is_stop and done_at is not None and now < done_at + timedelta(seconds=TOLD_S):
        return Verdict(memory, claims=claims, again_at=done_at + timedelta(seconds=TOLD_S))
    return Verdict(memory, Ask(_scaled(settings, running), direction="down", finishes=True), said, claims)


def members_of(service: ServiceState, settings: Settings, world: World) -> list[Member]:
    """All services of the group, by name, this one among them."""
    key, found = _key(service, settings), {service.name: (service, settings)}
    for other in world.services():
        if "funswarm.group" in other.labels and other.name != service.name:
            asked = Group().parse(other).settings
            if asked is not None and _key(other, asked) == key:
                found[other.name] = (other, asked)
    return [found[name] for name in sorted(found)]


def _scaled(settings: Settings, wanted: list[tuple[ServiceState, int]]) -> BatchCommand:
    items = [
        BatchItem(
            name=f"m{number}",
            command={
                "verb": "scale", "target": service.name, "replicas": count, "expect": {"replicas": service.replicas},
            },
        )
        for number, (service, count) in enumerate(wanted)
    ]  # fmt: skip
    return BatchCommand(id=UNNAMED, target=f"group-{settings.of}", commands=tuple(items))


def _key(service: ServiceState, settings: Settings) -> str:
    return f"{service.labels.get(STACK, '')}/{settings.of}"
