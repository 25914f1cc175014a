"""What a raw service (the Engine's JSON) says: version, mode, replicas, who wrote it, whether a rollout runs. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from funswarm.commands import CommandBase
from funswarm.state import COMMAND_LABEL, TRACE_LABEL

Json = dict[str, Any]
ROLLING_BACK: Final = frozenset({"rollback_started", "rollback_paused"})
FRESH_S: Final = 30.0  # more than the clocks of the Swarm and of the scheduler may differ
ROLLING: Final = ROLLING_BACK | {"updating", "paused"}


def wrote(command: CommandBase, service: Json) -> bool:
    """Whether this command wrote the service's spec, or the one before it (somebody wrote since)."""
    specs = (service["Spec"], service.get("PreviousSpec") or {})
    return any((spec.get("Labels") or {}).get(COMMAND_LABEL) == command.id for spec in specs)


def version(service: Json) -> int:
    """Swarm's Version.Index."""
    return int(service["Version"]["Index"])


def name(service: Json) -> str:
    """The service's name."""
    return str(service["Spec"]["Name"])


def mode(spec: Json) -> str:
    """`replicated`, `global`, `replicated-job` or `global-job`."""
    given = spec.get("Mode") or {}
    words = {"Global": "global", "ReplicatedJob": "replicated-job", "GlobalJob": "global-job"}
    return next((word for key, word in words.items() if given.get(key) is not None), "replicated")


def fingerprint(spec: Json) -> str:
    """Equal for equal specs."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def replicas(spec: Json) -> int | None:
    """Wanted replicas or total completions; None for a global mode."""
    given = spec.get("Mode") or {}
    if mode(spec) == "replicated":
        count = (given.get("Replicated") or {}).get("Replicas")
        return 1 if count is None else int(count)  # Swarm's default
    count = (given.get("ReplicatedJob") or {}).get("TotalCompletions")
    return None if count is None else int(count)


def held(service: Json, states: frozenset[str]) -> str | None:
    """Why a write must wait, where the rollout is in one of `states`; else None."""
    status: Mapping[str, str] = service.get("UpdateStatus") or {}
    if status.get("State") not in states:
        return None
    said = f" ({status['Message']})" if status.get("Message") else ""
    return (
        f"a rollout of {name(service)} is in progress, {status['State']}{said}: a write now would end its way back. "
        "Wait until it settles, roll it back, or use force"
    )


def replaces_all(before: Json, after: Json) -> bool:
    """Whether all tasks differ from what the new spec makes (swarmkit orchestrator.IsTaskDirty).

    Placement apart: of it a task needs only that its node still meets the constraints.
    """
    templates = [{**(spec.get("TaskTemplate") or {}), "Placement": None} for spec in (before, after)]
    return templates[0] != templates[1] or before.get("EndpointSpec") != after.get("EndpointSpec")


def about_to_roll(service: Json, now: datetime) -> bool:
    """Whether a rollout may be about to begin: the spec is new, and Swarm does not tell of a rollout yet.

    It does so a few milliseconds after the write; where there is nothing to roll (no tasks), never.
    """
    if (service.get("UpdateStatus") or {}).get("State") or not service.get("PreviousSpec"):
        return False
    spec = service["Spec"]
    if mode(spec).endswith("job") or replicas(spec) == 0 or not replaces_all(service["PreviousSpec"], spec):
        return False
    try:
        written = datetime.fromisoformat(service["UpdatedAt"][:19]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return False
    return abs((now - written).total_seconds()) < FRESH_S


def marked(spec: Json, command: CommandBase, traceparent: str | None) -> Json:
    """`spec` with the command's id and trace in its labels: they are no part of the tasks, so nothing restarts."""
    labels = {key: value for key, value in (spec.get("Labels") or {}).items() if key != TRACE_LABEL}
    trace = {TRACE_LABEL: traceparent} if traceparent else {}
    return {**spec, "Labels": {**labels, COMMAND_LABEL: command.id, **trace}}
