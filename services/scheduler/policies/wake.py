"""The wake policy: a service runs while somebody asks for it, and is idle else. Pure, but for `run`.

Requests open sessions (services/api/wake, funswarm/sessions.py). Here an open session, or its running hours, lift a
service to its active replicas, and their end takes it to its idle ones. Where autoscale scales the service too, that
one decides: it takes a session for a trigger, and this policy asks for nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from funswarm.commands import ScaleCommand
from funswarm.messages import Problem
from funswarm.state import COMMAND_LABEL, ServiceState, Value
from funswarm.units import flag
from funswarm.waking import ALIASES, NAME, PREFIX, SABLIER, WakeSettings, enabled
from services.scheduler.policies.autoscale import settings as autoscaling
from services.scheduler.policies.contract import UNNAMED, Ask, Direction, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.labels import read
from services.scheduler.policies.record import shows_not_yet, succeeded
from services.scheduler.policies.wake_reason import Awake, Open, Wanted
from services.scheduler.policies.wake_sessions import OpenSessions

PENDING_S: Final = 1.0
_RESTARTS: Final = ("sablier.active.cpu", "sablier.active.memory", "sablier.idle.cpu", "sablier.idle.memory")


class Settings(WakeSettings):
    """`autoscaled`: autoscale follows the service too; no label of its own."""

    autoscaled: bool = False


class Memory(Value):
    """`raised`: it was asked to be awake, and was not seen so yet; `up`: it is; `lowered`: somebody took it down
    meanwhile; `off`: it backs off from another one; `back`: it was asked to go on where it was, and was not
    seen so yet; `idled`: it was asked to be idle, and was not seen so yet; `other`: it was started otherwise, and stays
    until `idle_at`.
    """

    phase: Literal["raised", "up", "lowered", "off", "back", "idled", "other"]
    idle_at: datetime | None = None


WakeVerdict = Verdict[Memory]


class Wake(Policy[Settings, Memory]):
    """`funswarm.wake.*`, and Sablier's labels."""

    name = NAME
    memory = Memory

    def __init__(self, sessions: OpenSessions) -> None:
        self._sessions = sessions

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        return parse(service)

    def observed(self, name: str) -> Open | None:  # noqa: ARG002
        return self._sessions.open()

    async def run(self, touch: Callable[[set[str]], None]) -> None:
        await self._sessions.run(touch)

    def decide(self, situation: Situation[Settings, Memory]) -> WakeVerdict:
        assert situation.settings is not None, "as the contract says"
        if situation.settings.autoscaled:
            return Verdict()
        if situation.settings.anti_affinity:
            self._sessions.watches(situation.name)
        if situation.observed is None:  # not known yet: nothing is taken away
            return Verdict(situation.memory, again_at=situation.now + timedelta(seconds=PENDING_S))
        if shows_not_yet(situation):
            return Verdict(situation.memory)
        return _Look(situation, situation.observed).verdict()


class _Look:
    """One look at one service."""

    def __init__(self, situation: Situation[Settings, Memory], sessions: Open) -> None:
        assert situation.service is not None and situation.settings is not None, "as the contract says"  # noqa: PT018
        self._service, self._settings, self._now = situation.service, situation.settings, situation.now
        self._replicas = situation.service.replicas or 0
        self._memory = self._remembered(situation)
        self._phase = self._memory.phase if self._memory is not None else None
        wanted = Wanted(sessions, self._now)
        why = wanted.awake(situation.name, self._settings)
        self._rival = wanted.backs_off(situation.name, self._settings, why, situation.world)
        self._why: Awake | None = None if self._rival else why

    def _remembered(self, situation: Situation[Settings, Memory]) -> Memory | None:
        """With what has become of its going on where it was, of which the command has ended."""
        memory, result = situation.memory, situation.result
        if memory is None or memory.phase != "back":
            return memory
        done = succeeded(result)
        if done or self._replicas > self._settings.idle_replicas:
            return memory.model_copy(update={"phase": "other"})
        return Memory(phase="off")

    def verdict(self) -> WakeVerdict:
        if self._rival:
            return self._off()
        if self._why is not None:
            return self._awake(self._why)
        if self._phase == "off":
            stays = Memory(phase="back", idle_at=self._now + timedelta(seconds=self._settings.idle_after))
            return self._up("what it backed off from sleeps again: it goes on where it was", stays)
        if self._replicas <= self._settings.idle_replicas:
            return self._rest(None)
        if self._phase in ("raised", "up", "lowered", "idled"):
            return self._down("nobody asks for it any more")
        return self._started_otherwise()

    def _awake(self, why: Awake) -> WakeVerdict:
        if self._replicas >= self._settings.active_replicas:
            return self._rest(Memory(phase="up"))
        # A deploy takes away the label of who wrote last, and asks for nothing by the replicas in its file.
        if self._phase == "lowered" or (self._phase == "up" and COMMAND_LABEL in self._service.labels):
            said = Said(f"it was scaled to {self._replicas} although {why.reason}: it is left so until that is over")
            return self._rest(Memory(phase="lowered"), said)
        return self._up(why.reason, Memory(phase="raised"))

    def _off(self) -> WakeVerdict:
        if self._replicas <= self._settings.idle_replicas:
            return self._rest(self._memory if self._phase == "off" else None)
        return self._down(f"it backs off from {self._rival}, which is awake", "off")

    def _started_otherwise(self) -> WakeVerdict:
        idle_at = self._memory.idle_at if self._memory is not None else None
        if idle_at is None:
            idle_at = self._now + timedelta(seconds=self._settings.idle_after)
        if self._now >= idle_at:
            after = f"{self._settings.idle_after:g} s"
            return self._down(f"it was started otherwise, and nobody asked for it within {after}")
        return self._rest(Memory(phase="other", idle_at=idle_at))

    # What becomes of it.
    def _up(self, reason: str, memory: Memory) -> WakeVerdict:
        return self._scaled(self._settings.active_replicas, reason, memory, "up")

    def _down(self, reason: str, phase: Literal["off", "idled"] = "idled") -> WakeVerdict:
        return self._scaled(self._settings.idle_replicas, reason, Memory(phase=phase), "down")

    def _scaled(self, replicas: int, reason: str, memory: Memory, direction: Direction) -> WakeVerdict:
        said = Said(reason, {"group": list(self._settings.group)})
        if replicas == self._replicas:
            return self._rest(memory, said)
        command = ScaleCommand(id=UNNAMED, target=self._service.name, replicas=replicas)
        return self._rest(self._memory, said, Ask(command, memory, direction=direction))

    def _rest(self, memory: Memory | None, said: Said | None = None, ask: Ask[Memory] | None = None) -> WakeVerdict:
        """Look again when hours begin or end, and when what was started otherwise is to go."""
        hours = self._settings.hours_at(self._now)
        coming = self._settings.hours_after(self._now) if hours is None else None
        times = [hours.end if hours is not None else None, coming.start if coming is not None else None]
        times.append(memory.idle_at if memory is not None else None)
        return Verdict(memory, ask, said, again_at=min((at for at in times if at is not None), default=None))


def parse(service: ServiceState) -> Parsed[Settings]:
    """The labels, and what of Sablier's is not followed."""
    sablier = service.labels.get("sablier.enable")
    told = _not_taken(service)
    if sablier is not None and f"{PREFIX}enable" not in service.labels and (wrong := _wrong_switch(sablier)):
        problem = Problem(source=NAME, service=service.name, label="sablier.enable", value=sablier, reason=wrong)
        return Parsed(None, (*told, problem))
    parsed = read(WakeSettings, NAME, service, switch="enable", aliases=ALIASES)
    if parsed.settings is None:
        return Parsed(None, (*parsed.problems, *(told if sablier is not None else ())))
    autoscaled = autoscaling.parse(service).settings is not None
    reason = _unfit(service, parsed.settings, autoscaled=autoscaled)
    problems = (*parsed.problems, *told)
    if reason is not None:
        problems = (*problems, Problem(source=NAME, service=service.name, reason=reason))
    if service.mode != "replicated":
        return Parsed(None, problems)
    return Parsed(Settings(**parsed.settings.model_dump(), autoscaled=autoscaled), problems)


def _wrong_switch(value: str) -> str | None:
    try:
        enabled(value, {})
        flag(value)
    except ValueError as error:
        return str(error)
    return None


def _unfit(service: ServiceState, settings: WakeSettings, *, autoscaled: bool) -> str | None:
    if service.mode != "replicated":
        return f"its mode is {service.mode}: only replicated services have a number of replicas to set"
    if "funswarm.group" in service.labels:
        return "it starts with its group only, so nobody wakes it alone: use funswarm.wake.group in its place"
    if autoscaled and settings.anti_affinity:
        return "autoscale decides how many there are, so anti-affinity is not followed: use either"
    return None


def _not_taken(service: ServiceState) -> tuple[Problem, ...]:
    """Sablier's labels that are not followed, each with the reason."""
    found = []
    for label, value in service.labels.items():
        if not label.startswith(SABLIER) or label in ALIASES:
            continue
        if label in _RESTARTS:
            reason = "not taken, because other limits restart all tasks of a service: scale it by replicas"
        elif ".blkio-" in label:
            reason = "not taken, because Swarm has no such limit"
        else:
            reason = f"not taken: of Sablier's labels there are {', '.join(ALIASES)}"
        found.append(Problem(source=NAME, service=service.name, label=label, value=value, reason=reason))
    return tuple(found)
