"""The rebalance policy: when a node comes, services that ask for it get their tasks spread over it, too. Pure.

Pure but for whose turn it is: few services at a time are rebalanced, and this object knows which. After a failover the
labels of the services tell it again.
"""

from datetime import datetime, timedelta
from typing import Final

from funswarm.messages import Problem
from funswarm.state import ServiceState
from services.scheduler import waves
from services.scheduler.placement import demand_of
from services.scheduler.policies.bars import done_before
from services.scheduler.policies.contract import Ask, Parsed, Policy, Situation, Verdict
from services.scheduler.policies.daily import Daily
from services.scheduler.policies.labels import read
from services.scheduler.policies.rebalance_look import Look
from services.scheduler.policies.rebalance_memory import BASE_LABEL, NAME, NOW_LABEL, Memory, Settings

ASKED_S: Final = 15.0  # until what was asked for is remembered, if it passes
SURGE_S: Final = 120.0  # longer than a command may take: then the label tells who is in the middle of it
SWITCH: Final = f"funswarm.{NAME}"


class Rebalance(Policy[Settings, Memory]):
    """`funswarm.rebalance=true`, `funswarm.rebalance.*`. `window`: when it may begin; None: always.

    `at_once`: so many services may be in the middle of a surge.
    """

    name = NAME
    memory = Memory
    needs_tasks = True

    def __init__(self, window: Daily | None = None, at_once: int = 1) -> None:
        self._window = window
        self._at_once = at_once
        self._turns: dict[str, datetime] = {}  # which services, and until when

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
        service, first = situation.service, self._who_comes_first(situation)
        ends = BASE_LABEL in service.labels and _asked(service).settings is None
        opens = self._window.opens(situation.now) if self._window is not None else situation.now
        verdict = Look(situation, service, first, ends=ends, opens=opens).verdict()
        before, ask = situation.memory, verdict.ask
        begins = ask is not None and isinstance(ask.memory, Memory) and ask.memory.surge is not None
        if before is not None and before.surge is not None:
            self._turns[situation.name] = situation.now + timedelta(seconds=SURGE_S)
        elif ask is not None and begins and not self._is_barred(ask, situation):
            self._turns[situation.name] = situation.now + timedelta(seconds=ASKED_S)
        else:
            self._turns.pop(situation.name, None)
        return verdict

    def topics(self, service: ServiceState, settings: Settings) -> frozenset[str]:  # noqa: ARG002
        return frozenset({NAME})

    @staticmethod
    def _is_barred(ask: Ask[Memory], situation: Situation[Settings, Memory]) -> bool:
        """Held, or refused before, it is not its turn."""
        return situation.stopped or done_before(NAME, ask, situation) is not None

    def _who_comes_first(self, situation: Situation[Settings, Memory]) -> str | None:
        """One of the others that are in the middle of a surge, where they are as many as may be; None: they are not."""
        self._turns = {name: until for name, until in self._turns.items() if situation.now < until}
        marked = {one.name for one in situation.world.services() if BASE_LABEL in one.labels}
        others = (self._turns.keys() | marked) - {situation.name}
        return min(others) if len(others) >= self._at_once else None


def _asked(service: ServiceState) -> Parsed[Settings]:
    labels = {key: value for key, value in service.labels.items() if key not in (BASE_LABEL, NOW_LABEL)}
    if NOW_LABEL in service.labels:
        labels[SWITCH] = "true"
    return read(Settings, NAME, service.model_copy(update={"labels": labels}))


def _why_not(service: ServiceState) -> str | None:
    if service.mode != "replicated":
        return f"a {service.mode} service is not rebalanced: it has no replicas that could move"
    return waves.why_not(demand_of(service.spec))
