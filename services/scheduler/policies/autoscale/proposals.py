"""What each trigger proposes: the arithmetic of Kubernetes' HPA (its replica calculator). Pure.

A task without a measure counts as if it were idle where the others say up, as if it were at its target (at least at all
that it may use) where they say down; a task that warms up, or does not run yet, as idle where they say up, else not at
all. Where that turns the direction round, or brings it within the tolerance, nothing is proposed to change.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from funswarm.spec import REPLICAS_MAX

FULL = 100.0  # percent


@dataclass(frozen=True, slots=True)
class Use:
    """Percent of its limit that each task uses, by task; of `target` each should. Not measured: not in it."""

    trigger: str
    target: float
    percents: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """What is compared with the activation."""
        return sum(self.percents.values())


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, of which there should be `target` for each task."""

    trigger: str
    target: float
    total: float


@dataclass(frozen=True, slots=True)
class Level:
    """A number that should be `target`, and goes down with more tasks."""

    trigger: str
    target: float
    total: float


@dataclass(frozen=True, slots=True)
class Wish:
    """So many replicas, as somebody asked for."""

    trigger: str
    replicas: int

    @property
    def total(self) -> float:
        return float(self.replicas)


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be measured."""

    trigger: str
    reason: str


Reading = Use | Amount | Level | Wish | Failed


@dataclass(frozen=True, slots=True)
class Tasks:
    """`wanted`: the replicas of the spec. `ready`: ids of tasks that run; `young`: of those, the ones that warm up."""

    wanted: int
    ready: frozenset[str]
    young: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proposal:
    """So many replicas, and how it was reckoned; `replicas` None: nothing can be said."""

    trigger: str
    replicas: int | None
    formula: str


def propose(reading: Reading, tasks: Tasks, tolerance: float) -> Proposal:
    """What the reading proposes."""
    match reading:
        case Failed():
            return Proposal(reading.trigger, None, reading.reason)
        case Wish():
            return Proposal(reading.trigger, reading.replicas, f"asked for {reading.replicas}")
        case Use():
            return _by_use(reading, tasks, tolerance)
        case Amount():
            per_task = reading.total / (reading.target * tasks.wanted) if tasks.wanted else math.inf
            formula = f"ceil({reading.total:g} / {reading.target:g})"
            if _is_near(per_task, tolerance):
                return _stays(reading.trigger, tasks, formula, "within the tolerance")
            return _made(reading.trigger, reading.total / reading.target, formula)
        case Level():
            ratio, ready = reading.total / reading.target, len(tasks.ready)
            formula = f"ceil({ready} x {reading.total:g} / {reading.target:g})"
            if _is_near(ratio, tolerance):
                return _stays(reading.trigger, tasks, formula, "within the tolerance")
            if ratio > 1 and ready * ratio < tasks.wanted:  # some do not run yet
                return _stays(reading.trigger, tasks, formula, "over its target")
            return _made(reading.trigger, ready * ratio, formula)


def _by_use(reading: Use, tasks: Tasks, tolerance: float) -> Proposal:
    name, target = reading.trigger, reading.target
    measured = {task: percent for task, percent in reading.percents.items() if task in tasks.ready}
    missing = len(tasks.ready - tasks.young - measured.keys())
    old = [percent for task, percent in measured.items() if task not in tasks.young]
    if not old:
        return Proposal(name, None, "no task that has warmed up is measured")
    ratio = sum(old) / len(old) / target
    formula = f"{len(old)} tasks use {sum(old) / len(old):.3g} % of {target:g} %"
    starting = max(0, tasks.wanted - len(tasks.ready))
    idle = len(tasks.young) + starting if ratio > 1 else 0
    if missing == 0 and idle == 0:
        if _is_near(ratio, tolerance):
            return _stays(name, tasks, formula, "within the tolerance")
        return _made(name, ratio * len(old), f"ceil({len(old)} x {ratio:.3g}): {formula}")
    filled = missing * max(FULL, target) if ratio < 1 else 0.0
    count = len(old) + missing + idle
    guarded = (sum(old) + filled) / count / target
    formula += f"; with {missing} not measured and {idle} warming up the ratio is {guarded:.3g}"
    if _is_near(guarded, tolerance) or (ratio < 1) != (guarded < 1):
        return _stays(name, tasks, formula, "which leaves it open")
    proposal = _made(name, guarded * count, f"ceil({count} x {guarded:.3g}): {formula}")
    turned = proposal.replicas is not None and (proposal.replicas > tasks.wanted) != (guarded > 1)
    return _stays(name, tasks, formula, "which leaves it open") if turned else proposal


def _is_near(ratio: float, tolerance: float) -> bool:
    return abs(ratio - 1.0) <= tolerance + 1e-9


def _made(trigger: str, replicas: float, formula: str) -> Proposal:
    whole = math.ceil(replicas - 1e-9) if replicas < REPLICAS_MAX else REPLICAS_MAX  # 3.0000000001 is 3
    return Proposal(trigger, whole, f"{formula} = {whole}")


def _stays(trigger: str, tasks: Tasks, formula: str, why: str) -> Proposal:
    return Proposal(trigger, tasks.wanted, f"{formula}, {why}: {tasks.wanted}")
