"""What a service's labels ask of all policies, read once for each state that is told. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from funswarm.messages import Problem
from funswarm.spec_types import RESERVED_LABELS
from funswarm.state import ServiceState
from funswarm.units import flag
from services.scheduler.policies.contract import Direction, Policy
from services.scheduler.policies.labels import PREFIX, unknown_policies

log = structlog.get_logger(__name__)

_OWN_LABELS: Final = frozenset(RESERVED_LABELS)
_PAUSES: Final[dict[str, frozenset[Direction]]] = {
    "up": frozenset({"up"}),
    "down": frozenset({"down"}),
    "true": frozenset({"up", "down"}),
    "false": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """By policy: its settings; in which directions it is paused (both: whatever it wants). `problems`: by source."""

    settings: dict[str, Any]
    topics: frozenset[str]
    dry_run: frozenset[str]
    paused: dict[str, frozenset[Direction]]
    needs_tasks: bool
    needs_all_tasks: bool
    problems: tuple[Problem, ...]


NOTHING_ASKED: Final = Asked({}, frozenset(), frozenset(), {}, needs_tasks=False, needs_all_tasks=False, problems=())


def asked_of(service: ServiceState, policies: Sequence[Policy[Any, Any]], *, draining: bool = False) -> Asked:
    """What its labels ask for; `draining`: also of the policies that are asked only while a node is drained."""
    if not draining and service.labels.keys() <= _OWN_LABELS:  # most services, and each event of them comes here
        return NOTHING_ASKED
    settings: dict[str, Any] = {}
    problems: list[Problem] = list(unknown_policies(service, frozenset(policy.name for policy in policies)))
    topics: set[str] = set()
    dry_run: set[str] = set()
    paused: dict[str, frozenset[Direction]] = {}
    for policy in policies:
        if policy.while_draining and not draining:
            continue
        try:
            parsed = policy.parse(service)
            problems += parsed.problems
            if parsed.settings is None:
                continue
            shared = policy.topics(service, parsed.settings)
            if _dry_run(service, policy.name):
                dry_run.add(policy.name)
            paused[policy.name] = _paused(service, policy.name)
        except _Wrong as wrong:
            problems.append(wrong.problem)
        except Exception as fault:
            log.exception("a policy's labels cannot be read", policy=policy.name, service=service.name)
            reason = f"a fault in Funswarm itself: {fault!r}"
            problems.append(Problem(source=policy.name, service=service.name, reason=reason))
        else:
            settings[policy.name] = parsed.settings
            topics |= shared
    followed = [policy for policy in policies if policy.name in settings]
    return Asked(
        settings,
        frozenset(topics),
        frozenset(dry_run),
        paused,
        any(policy.needs_tasks for policy in followed),
        any(policy.needs_all_tasks for policy in followed),
        tuple(problems),
    )


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def _dry_run(service: ServiceState, policy: str) -> bool:
    label = f"{PREFIX}{policy}.dry-run"
    value = service.labels.get(label, "false")
    try:
        return bool(flag(value))
    except ValueError as error:
        reason = f"{error}: write true or false"
        raise _Wrong(Problem(source=policy, service=service.name, label=label, value=value, reason=reason)) from error


def _paused(service: ServiceState, policy: str) -> frozenset[Direction]:
    label = f"{PREFIX}{policy}.pause"
    value = service.labels.get(label, "false")
    if value not in _PAUSES:
        reason = f"{value!r} is no pause: write true, up, down or false"
        raise _Wrong(Problem(source=policy, service=service.name, label=label, value=value, reason=reason))
    return _PAUSES[value]
