"""What a run comes to: a job once more, or a service whose tasks end by themselves (a cron job of swarm-cronjob). Pure.

A run is one write. Its tasks bear its number as ForceUpdate, so they are told apart from those of other runs; tasks of
an earlier run that are still there are stopped by it. Swarm takes the end of a task within its first seconds for a
failed update: with `failure_action: rollback` it would go back, and so run all twice; with `pause` it would leave tasks
out. So a run sets `continue`, and several tasks begin at once.
"""

from typing import Any, Final

from funswarm.commands import RunCommand
from funswarm.errors import Refused
from funswarm.messages import Code
from services.scheduler.merge import merged
from services.scheduler.raw_service import Json, held, mode, name, replicas

FORCE_UPDATE_MAX: Final = 2**63 - 1
_MOVING: Final = frozenset({"updating", "rollback_started"})
_ENDS: Final = ("none", "on-failure")


def run_spec(command: RunCommand, service: Json) -> Json:
    """The spec that is to be written.

    Raises:
        Refused: it has no tasks that end, or none to run; code wrong-mode.
    """
    spec: Json = service["Spec"]
    match mode(spec):
        case "replicated-job":
            change = _job(command, service)
        case "global-job":
            change = {}
        case is_mode:
            change = _service(command, service, replicated=is_mode == "replicated")
    if command.token is not None:
        change["TaskTemplate"] = {"ForceUpdate": command.token}
    result: Json = merged(spec, change)
    return result


def held_run(service: Json) -> str | None:
    """Why a run must wait: for a rollout that may be rolled back yet; for that of an earlier run it need not."""
    return None if is_run(service.get("PreviousSpec") or {}, service["Spec"]) else held(service, _MOVING)


def is_run(before: Json, after: Json) -> bool:
    """Whether the tasks of the two specs differ by their run only."""
    one, other = ({**(spec.get("TaskTemplate") or {}), "ForceUpdate": None} for spec in (before, after))
    return one == other


def _job(command: RunCommand, service: Json) -> Json:
    has = replicas(service["Spec"])
    total = has if command.replicas is None else command.replicas
    if total == 0 and command.replicas is None:
        raise Refused(
            f"{name(service)} has a total of 0, nothing to run: give `replicas`, or set `total` in an update",
            Code.WRONG_MODE,
        )
    job: Json = {} if total == has else {"TotalCompletions": total}
    if total and not service["Spec"]["Mode"]["ReplicatedJob"].get("MaxConcurrent", 1):
        job["MaxConcurrent"] = total
    return {"Mode": {"ReplicatedJob": job}} if job else {}


def _service(command: RunCommand, service: Json, *, replicated: bool) -> Json:
    spec = service["Spec"]
    template: dict[str, Any] = spec.get("TaskTemplate") or {}
    if command.token is None and (template.get("RestartPolicy") or {}).get("Condition") not in _ENDS:
        raise Refused(
            f"{name(service)} is no job, and Swarm starts its tasks again when they end: `restart` replaces them, "
            "`scale` sets how many run; to run them to their end, set its restart condition to none",
            Code.WRONG_MODE,
        )
    change: Json = {"TaskTemplate": {"ForceUpdate": (int(template.get("ForceUpdate") or 0) + 1) % FORCE_UPDATE_MAX}}
    change["UpdateConfig"] = {"FailureAction": "continue"}
    if replicated:
        count = max(1, replicas(spec) or 0) if command.replicas is None else command.replicas
        change["Mode"] = {"Replicated": {"Replicas": count}}
        change["UpdateConfig"] |= {"Parallelism": 0} if count > 1 else {}
    return change
