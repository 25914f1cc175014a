"""The gates before a write: what the command expects, and whether it fits the service's mode. Pure."""

from typing import Final

from funswarm.commands import CommandBase, UpdateCommand
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.spec import ServicePatch
from services.scheduler.raw_service import Json, mode, name, replicas, version

_WAYS_OUT: Final = {
    "global": "is global, one task on each node: say which nodes with `constraints` in an update",
    "global-job": "is a job that runs once on each node: it has no replicas",
    "replicated-job": "is a job: set `total` and `max_concurrent` in an update, which runs it again",
}
_RUN_TWICE: Final = (
    "its tasks may end by themselves, and Swarm takes an end soon after the start as a failed update: it would roll "
    "back, and run them again. Set failure_action to continue, or make it a job"
)


def check_mode(patch: ServicePatch, service: Json) -> None:
    """Refuse numbers that the service's mode does not have, with the way out.

    Raises:
        Refused: code wrong-mode.
    """
    is_mode = mode(service["Spec"])
    if patch.replicas is not None and is_mode != "replicated":
        raise Refused(f"{name(service)} {_WAYS_OUT[is_mode]}", Code.WRONG_MODE)
    if (patch.total, patch.max_concurrent) != (None, None) and is_mode != "replicated-job":
        raise Refused(
            f"{name(service)} is {is_mode}: `total` and `max_concurrent` are for replicated jobs", Code.WRONG_MODE
        )


def advice(command: CommandBase, service: Json, after: Json) -> tuple[str, ...]:
    """What the user may not expect of writing `after` to the service."""
    if mode(after).endswith("job"):
        return ("it is a job: every update runs it again, this one too",) if isinstance(command, UpdateCommand) else ()
    ends = ((after.get("TaskTemplate") or {}).get("RestartPolicy") or {}).get("Condition") in {"none", "on-failure"}
    rolls_back = (after.get("UpdateConfig") or {}).get("FailureAction") == "rollback"
    if ends and rolls_back and after.get("TaskTemplate") != service["Spec"].get("TaskTemplate"):
        return (_RUN_TWICE,)
    return ()


def check_expectations(command: CommandBase, service: Json) -> None:
    """Refuse where the service is not as expected.

    Raises:
        Refused: code expectation-failed.
    """
    expect, spec = command.expect, service["Spec"]
    if expect.absent:
        raise Refused(f"expected no service {command.target!r}, and there is one", Code.EXPECTATION)
    if expect.version not in (None, version(service)):
        raise Refused(
            f"expected version {expect.version}, and it is {version(service)}: read it again", Code.EXPECTATION
        )
    count = replicas(spec)
    if expect.replicas not in (None, count):
        has = f"it has {count}" if count is not None else f"it is {mode(spec)}"
        raise Refused(f"expected {expect.replicas} replicas, and {has}", Code.EXPECTATION)
