"""The rebalance policy: when a node comes, services that ask for it get their tasks spread over it, too. Pure.

Pure but for whose turn it is: one service at a time is rebalanced, and this object knows which. After a failover the
labels of the services tell it again.
"""

from datetime import datetime, timedelta
from typing import Final

from funswarm.messages import Problem
from funswarm.state import ServiceState
from services.scheduler.placement import demand_of
from services.scheduler.policies.contract import Parsed, Policy, Situation, Verdict, World
from services.scheduler.policies.daily import Daily
from services.scheduler.policies.labels import read
from services.scheduler.policies.rebalance_look import Look
from services.scheduler.policies.rebalance_memory import BASE_LABEL, NAME, NOW_LABEL, Memory, Settings

ASKED_S: Final = 15.0  # until what was asked for is remembered, if it passes
SURGE_S: Final = 120.0  # longer than a command may take: then the label tells who is in the middle of it
SWITCH: Final = f"funswarm.{NAME}"


class Rebalance(Policy[Settings, Memory]):
    """`funswarm.rebalance=true`, `funswarm.rebalance.*`. `window`: when it may begin; None: always."""

    name = NAME
    memory = Memory
    needs_tasks = True

    def __init__(self, window: Daily | None = None) -> None:
        self._window = window
        self._turn: tuple[str, datetime] | None = None  # which service, and until when

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        parsed = _asked(service)
        if BASE_LABEL in service.labels:  # whatever else it says: it is in the middle of a surge
            return Parsed(parsed.settings or Settings(), parsed.problems)
        why = _why_not(service) if parsed.settings is not None else None
        if why is None:
            return parsed
        problem = Problem(source=NAME, service=service.name, label=SWITCH, value=service.labels.get(SWITCH), reason=why)
        return Parsed(None, (*parsed.problems, problem))

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        assert situation.service is not None
        service, turn = situation.service, self._others_turn(situation)
        ends = BASE_LABEL in service.labels and _asked(service).settings is None
        opens = self._window.opens(situation.now) if self._window is not None else situation.now
        verdict = Look(situation, service, turn, ends=ends, opens=opens).verdict()
        before, ask = situation.memory, verdict.ask
        if before is not None and before.surge is not None:
            self._turn = (situation.name, situation.now + timedelta(seconds=SURGE_S))
        elif ask is not None and isinstance(ask.memory, Memory) and ask.memory.surge is not None:
            self._turn = (situation.name, situation.now + timedelta(seconds=ASKED_S))
        elif self._turn is not None and self._turn[0] == situation.name:
            self._turn = None
        return verdict

    def topics(self, service: ServiceState, settings: Settings) -> frozenset[str]:  # noqa: ARG002
        return frozenset({NAME})

    def _others_turn(self, situation: Situation[Settings, Memory]) -> str | None:
        """The other service that is being rebalanced; None: there is none."""
        if self._turn is not None and self._turn[0] != situation.name and situation.now < self._turn[1]:
            return self._turn[0]
        return in_the_middle(situation.world, situation.name)


def in_the_middle(world: World, but: str) -> str | None:
    """Another service whose surge is under way, by its label."""
    return next((one.name for one in world.services() if BASE_LABEL in one.labels and one.name != but), None)


def _asked(service: ServiceState) -> Parsed[Settings]:
    labels = {key: value for key, value in service.labels.items() if key not in (BASE_LABEL, NOW_LABEL)}
    if NOW_LABEL in service.labels:
        labels[SWITCH] = "true"
    return read(Settings, NAME, service.model_copy(update={"labels": labels}))


def _why_not(service: ServiceState) -> str | None:
    if service.mode != "replicated":
        return f"a {service.mode} service is not rebalanced: it has no replicas that could move"
    demand = demand_of(service.spec)
    if demand.spread_over:
        return f"it is spread over {', '.join(demand.spread_over)}: that is not evened out yet"
    if demand.ports:
        return "each node has one of its tasks at most (ports in host mode): there is nothing to even out"
    return None
