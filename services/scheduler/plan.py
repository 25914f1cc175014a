"""What a command comes to, given the service as it is: the safe write's gates and the write itself. Pure.

The rules come from how SwarmKit behaves: every update copies the spec to PreviousSpec and clears UpdateStatus, so a
write in the middle of a rollout takes its way back (we wait, or are told `force`). The command's id goes into a label
in the same write, so that a redelivery sees it; a rollback and a removal leave no label: an `Intent` is noted before.
"""

from dataclasses import dataclass, field

from funswarm.commands import (
    CreateCommand,
    NodeCommand,
    RebalanceCommand,
    RemoveCommand,
    RestartCommand,
    RollbackCommand,
    RunCommand,
    ScaleCommand,
    SingleCommand,
    UpdateCommand,
)
from funswarm.errors import Failed, InvalidRequest, Refused, UnknownObject
from funswarm.messages import Change, Code
from funswarm.spec import ServicePatch
from funswarm.state import NodeState, Value
from services.scheduler.bounds import check_namespaces
from services.scheduler.gates import advice, check_expectations, check_mode
from services.scheduler.merge import merged
from services.scheduler.names import Names
from services.scheduler.placement import demand_of
from services.scheduler.plan_node import WriteNode, plan_node
from services.scheduler.plan_run import FORCE_UPDATE_MAX, held_run, run_spec
from services.scheduler.policies.rebalance_memory import NOW_LABEL
from services.scheduler.raw_service import ROLLING, ROLLING_BACK, Json, fingerprint, held, marked, name, version, wrote
from services.scheduler.spec_changes import spec_changes
from services.scheduler.to_engine import create_spec, patched_spec
from services.scheduler.waves import why_not


class Intent(Value):
    """What was about to be done; `left`, `wanted`: fingerprints of the specs to roll back from and to."""

    service_id: str
    version: int
    left: str = ""
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision is made from: the raw service (None: absent), and what else was asked for it.

    `near`: ` (did you mean …?)` for an absent one; `intent`: noted by an earlier try of the same command. For a command
    of a node: the raw `node` (None: absent), and all `nodes`.
    """

    service: Json | None = None
    names: Names = field(default_factory=Names)
    traceparent: str | None = None
    intent: Intent | None = None
    near: str = ""
    node: Json | None = None
    nodes: tuple[NodeState, ...] = ()


@dataclass(frozen=True, slots=True)
class Create:
    """`POST /services/create`."""

    spec: Json
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Update from exactly `version`; `intent`: roll back instead. `held`: why it must wait, None where it need not."""

    service_id: str
    version: int
    spec: Json
    changes: tuple[Change, ...]
    held: str | None = None
    intent: Intent | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """`DELETE /services/{id}`."""

    service_id: str
    intent: Intent


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to write; `changed`: because an earlier try of this very command did it."""

    changed: bool


Changing = UpdateCommand | ScaleCommand | RestartCommand | RunCommand | RebalanceCommand
Action = Create | Write | WriteNode | Remove | Nothing


def plan(command: SingleCommand, situation: Situation) -> Action:
    """What is to be done for `command`.

    Raises:
        Refused, InvalidRequest, UnknownObject: nothing is to be done, and why.
        Failed: it cannot be known whether an earlier try of a rollback had its effect.
    """
    if situation.service is not None or situation.intent is None:  # an intent was noted behind this gate
        check_namespaces(command, situation.service)
    if isinstance(command, NodeCommand):
        return plan_node(command, situation.node, situation.nodes, situation.near) or Nothing(changed=False)
    service = situation.service
    if isinstance(command, CreateCommand):
        return _create(command, situation)
    if isinstance(command, RemoveCommand):
        return _remove(command, situation)
    if service is None:
        raise UnknownObject(f"there is no service {command.target!r}{situation.near}")
    if wrote(command, service):
        return Nothing(changed=True)
    if isinstance(command, RollbackCommand):
        return _rollback(command, service, situation.intent)
    check_expectations(command, service)
    before = service["Spec"]
    after = _changed_spec(command, service, situation.names)
    if after == before and not isinstance(command, RunCommand):
        return Nothing(changed=False)
    return Write(
        service_id=service["ID"],
        version=version(service),
        spec=marked(after, command, situation.traceparent),
        changes=spec_changes(before, after),
        held=_held(command, service),
        warnings=advice(command, service, after),
    )


def _held(command: Changing, service: Json) -> str | None:
    if not isinstance(command, RebalanceCommand) and command.force:
        return None
    return held_run(service) if isinstance(command, RunCommand) else held(service, ROLLING)


def _create(command: CreateCommand, situation: Situation) -> Action:
    if command.target != command.service.name:
        raise InvalidRequest(
            f"the target {command.target!r} and the service's name {command.service.name!r} must be equal"
        )
    service = situation.service
    if service is not None:
        if wrote(command, service):
            return Nothing(changed=True)
        if command.expect.absent:
            raise Refused(f"expected no service {command.target!r}, and there is one", Code.EXPECTATION)
        raise Refused(
            f"there is a service {command.target!r} already (id {service['ID']}): update it, or choose another name",
            Code.NAME_TAKEN,
        )
    expect = command.expect
    if expect.version is not None or expect.replicas is not None:
        raise Refused(f"expected a service {command.target!r}, and there is none yet", Code.EXPECTATION)
    spec = create_spec(command.service, situation.names)
    return Create(marked(spec, command, situation.traceparent), spec_changes({}, spec))


def _remove(command: RemoveCommand, situation: Situation) -> Action:
    service, intent = situation.service, situation.intent
    if intent is not None and (service is None or service["ID"] != intent.service_id):
        return Nothing(changed=True)  # an earlier try removed it; what bears the name now came later
    if service is None:
        raise UnknownObject(f"there is no service {command.target!r}{situation.near}: nothing to remove")
    if intent is None:
        check_expectations(command, service)
    return Remove(service["ID"], Intent(service_id=service["ID"], version=version(service)))


def _rollback(command: RollbackCommand, service: Json, intent: Intent | None) -> Action:
    if intent is not None and _rolled_back(service, intent):
        return Nothing(changed=True)
    check_expectations(command, service)
    if reason := held(service, ROLLING_BACK):  # waiting would be wrong: the way back from a way back leads to the fault
        raise Refused(reason, Code.ROLLOUT)
    previous = service.get("PreviousSpec")
    if not previous:
        raise Refused(
            f"{name(service)} has no previous spec to go back to: no update since it was created or rolled back",
            Code.NO_PREVIOUS_SPEC,
        )
    before = service["Spec"]
    note = Intent(
        service_id=service["ID"], version=version(service), left=fingerprint(before), wanted=fingerprint(previous)
    )
    return Write(service["ID"], version(service), before, spec_changes(before, previous), intent=note)


def _rolled_back(service: Json, intent: Intent) -> bool:
    """Whether an earlier try had its effect; it wrote from exactly `intent.version`, or not at all.

    Raises:
        Failed: somebody wrote in between, so it cannot be known.
    """
    specs = (fingerprint(service["Spec"]), fingerprint(service.get("PreviousSpec") or {}))
    if service["ID"] == intent.service_id:
        if version(service) == intent.version or specs == (intent.left, intent.wanted):
            return False
        if specs == (intent.wanted, intent.left):
            return True
    raise Failed(
        f"{name(service)} was written by somebody else while this rollback was interrupted: look whether it is still "
        "wanted, and ask again",
        Code.CONFLICT,
    )


def _changed_spec(command: Changing, service: Json, names: Names) -> Json:
    spec: Json = service["Spec"]
    if isinstance(command, RunCommand):  # any write runs a job: that of the command's own label is the run
        return run_spec(command, service)
    if isinstance(command, UpdateCommand):
        check_mode(command.changes, service)
        return patched_spec(spec, command.changes, names)
    if isinstance(command, ScaleCommand):
        check_mode(ServicePatch(replicas=command.replicas), service)
        change: Json = {"Mode": {"Replicated": {"Replicas": command.replicas}}}
    elif isinstance(command, RebalanceCommand):
        check_mode(ServicePatch(replicas=1), service)
        if (reason := why_not(demand_of(spec))) is not None:
            raise InvalidRequest(f"{name(service)} is not rebalanced: {reason}")
        change = {"Labels": {NOW_LABEL: command.id}}
    else:
        count = int((spec.get("TaskTemplate") or {}).get("ForceUpdate") or 0) + 1
        change = {"TaskTemplate": {"ForceUpdate": count % FORCE_UPDATE_MAX}}
    result: Json = merged(spec, change)
    return result
