"""The gates before a write: what the command expects, and whether it fits the service's mode. Pure."""

from typing import Final

from funswarm.commands import CommandBase
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.spec import ServicePatch
from services.scheduler.raw_service import Json, mode, name, replicas, version

_WAYS_OUT: Final = {
    "global": "is global, one task on each node: say which nodes with `constraints` in an update",
    "global-job": "is a job that runs once on each node: it has no replicas",
    "replicated-job": "is a job: set `total` and `max_concurrent` in an update, which runs it again",
}


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
