"""One command against the engine: read, decide, write from exactly what was read. I/O by the engine and the store.

The order is what makes it exact: intent and service are read first, then it is made sure that this is still the active
copy, then it is written with the version that was read. A copy that was superseded in between fails by the version.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from funswarm.commands import (
    BatchCommand,
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
from funswarm.errors import Failed, Refused, UnknownObject, VersionConflict
from funswarm.how import NOTHING_EXPECTED
from funswarm.messages import Change, Code, Preview
from funswarm.state import NodeState
from services.scheduler.admission.gate import Admission
from services.scheduler.admission.rules import texts
from services.scheduler.bounds import is_open
from services.scheduler.fold import Services
from services.scheduler.lanes import deadline
from services.scheduler.names import LOCAL_NETWORKS, Names, did_you_mean, kinds_needed
from services.scheduler.plan import Action, Create, Nothing, Remove, Situation, Write, plan
from services.scheduler.plan_node import WriteNode
from services.scheduler.plan_run import is_run
from services.scheduler.ports import EngineCalls, Store, Superseded
from services.scheduler.previews import NOTHING_MOVES, preview
from services.scheduler.raw_service import Json, about_to_roll, name, version
from services.scheduler.targets import ID
from services.scheduler.together import clashes, needs_services, share_of

TRIES_MAX: Final = 5
RETRY_S: Final = 0.1
BEGIN_S: Final = 0.6  # within which Swarm tells of a rollout that begins; it was seen to take up to 30 ms
BEGIN_READS: Final = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended well. `held`: nothing was written, and why it must wait.

    `service`, `node`: as read; before the write, where `written_from` is its version then, and nothing is read again.
    `created_id`: of a new service. `preview`: with `dry_run` only.
    """

    changed: bool
    service: Json | None = None
    created_id: str | None = None
    written_from: int | None = None
    preview: Preview | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    held: str | None = None
    node: Json | None = None


class SafeWriter:
    """Tries commands. `is_active`: whether this copy still holds the lease; `services`: for suggestions only."""

    def __init__(
        self,
        engine: EngineCalls,
        store: Store,
        is_active: Callable[[], bool],
        services: Services,
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission or Admission()
        self._services = services
        self._engine = engine
        self._store = store
        self._is_active = is_active

    async def attempt(self, command: SingleCommand, traceparent: str | None, *, foresee: bool = True) -> Outcome:
        """Do what the command comes to; with `dry_run` only tell it, and where tasks would run if `foresee`.

        Raises:
            Refused, InvalidRequest, UnknownObject: nothing changed.
            Failed: the engine would not, or others wrote all the time.
            Unavailable: the engine or NATS does not answer; a write may have had its effect, the next try sees it.
            Superseded: another copy is active.
        """
        for number in range(TRIES_MAX):
            if number:
                await asyncio.sleep(RETRY_S * number * random.uniform(0.5, 1.5))  # noqa: S311
            look = bool(number) or not _can_create_unseen(command)
            if (outcome := await self._once(command, traceparent, look=look, foresee=foresee)) is not None:
                return outcome
        raise Failed(
            f"others wrote {command.target!r} each of {TRIES_MAX} times between reading and writing: nothing changed",
            Code.CONFLICT,
        )

    async def clashes(self, batch: BatchCommand) -> Mapping[str, Refused]:
        """Why commands of a batch do not go together, by their names; raises what the engine does."""
        policy = self._admission.policy
        if not needs_services(batch, policy):
            return {}
        return clashes(batch, await self._engine.picked("service", share_of), policy)

    async def _once(
        self, command: SingleCommand, traceparent: str | None, *, look: bool, foresee: bool
    ) -> Outcome | None:
        """None: it must be decided again, from what is there now."""
        situation = await self._situation(command, traceparent, look=look)
        action = plan(command, situation)
        async with self._admission.judged(self._engine, command, action, situation) as refusals:
            if command.dry_run:
                foreseen = await preview(self._engine, command, action, situation) if foresee else NOTHING_MOVES
                foreseen = foreseen.model_copy(update={"refusals": texts(refusals)})
                return replace(_told(action, situation), preview=foreseen)
            if isinstance(action, Write) and action.held and not refusals:
                return _told(action, situation)
            if refusals and look:
                raise self._admission.denied(refusals)
            if refusals:  # unless an earlier delivery has created it already
                return None
            try:
                return await self._do(command, action, situation)
            except (VersionConflict, UnknownObject):  # written, or gone, since it was read
                return None
            except Refused as error:
                if error.code is not Code.NAME_TAKEN:
                    raise
                return None

    async def _situation(self, command: SingleCommand, traceparent: str | None, *, look: bool) -> Situation:
        if isinstance(command, NodeCommand):
            return await self._situation_of_node(command)
        leaves_no_label = isinstance(command, RemoveCommand | RollbackCommand)
        intent = await self._store.intent(command.id) if leaves_no_label else None
        service = await self._read(command) if look else None
        near = ""
        if service is None and intent is None and not isinstance(command, CreateCommand) and not command.namespaces:
            near = did_you_mean(command.target, self._services.names)
        return Situation(service, await self._names(command), traceparent, intent, near)

    async def _read(self, command: SingleCommand) -> Json | None:
        """The service; where a rollout may be about to begin that would hold the command, as it is a little later."""
        service = await self._named(command.target)
        if _is_held_by_rollouts(command):
            for _ in range(BEGIN_READS):
                if (
                    service is None
                    or not about_to_roll(service, datetime.now(UTC))
                    or _is_run_after_run(command, service)
                ):
                    break
                await asyncio.sleep(BEGIN_S / BEGIN_READS)
                service = await self._named(command.target)
        return service

    async def _named(self, target: str) -> Json | None:
        """The service of that name or id; by the id that the feed told, if any: by a name the engine looks twice."""
        known = None if ID.fullmatch(target) else self._services.id_of(target)
        service = None if known is None else await self._engine.service_json(known)
        if service is None or name(service) != target:
            service = await self._engine.service_json(target)
        return service

    async def _situation_of_node(self, command: NodeCommand) -> Situation:
        node = await self._engine.node_json(command.target)
        nodes = tuple(state for state in await self._engine.list("node") if isinstance(state, NodeState))
        near = "" if node else did_you_mean(command.target, [state.name for state in nodes])
        return Situation(node=node, nodes=nodes, near=near)

    async def _names(self, command: SingleCommand) -> Names:
        fields = (
            command.service
            if isinstance(command, CreateCommand)
            else command.changes
            if isinstance(command, UpdateCommand)
            else None
        )
        needed = sorted(kinds_needed(fields)) if fields else []
        bound = command.namespaces
        names = Names(**{kind: await self._known(kind, bound) for kind in needed})
        wanted = {use.name for use in (fields.networks if fields else None) or ()} - LOCAL_NETWORKS
        if not wanted <= {*names.network, *names.network.values()}:
            # An engine whose Swarm does not answer leaves the networks out. For a service it says that it cannot tell.
            await self._engine.service_json(command.target)
            names = replace(names, network=await self._known("network", bound))
        return names

    async def _known(self, kind: str, bound: tuple[str, ...]) -> dict[str, str]:
        return {state.name: state.id for state in await self._engine.list(kind) if is_open(state, bound)}

    async def _do(self, command: SingleCommand, action: Action, situation: Situation) -> Outcome:
        intent = action.intent if isinstance(action, Write | Remove) else None
        if intent is not None and intent != situation.intent:
            await self._store.note(command.id, intent)
        if not isinstance(action, Nothing) and datetime.now(UTC) >= deadline(command):
            raise Refused(f"the deadline {deadline(command).isoformat()} has passed: nothing changed", Code.DEADLINE)
        if not self._is_active():
            raise Superseded("this scheduler is no longer the active copy")
        match action:
            case Create():
                created_id, warnings = await self._engine.create_service(action.spec)
                return Outcome(changed=True, created_id=created_id, changes=action.changes, warnings=tuple(warnings))
            case Write():
                warnings = await self._engine.update_service(
                    action.service_id, action.version, action.spec, rollback=action.intent is not None
                )
                return Outcome(
                    changed=True, service=situation.service, written_from=action.version, changes=action.changes,
                    warnings=(*action.warnings, *warnings),
                )  # fmt: skip
            case Remove():
                await self._engine.remove_service(action.service_id)
                return Outcome(changed=True, service=situation.service)
            case WriteNode():
                await self._engine.update_node(action.node_id, action.version, action.spec)
                return Outcome(
                    changed=True, node=situation.node, written_from=action.version, changes=action.changes,
                    warnings=action.warnings,
                )  # fmt: skip
            case Nothing():
                return Outcome(changed=action.changed, service=situation.service, node=situation.node)


def _is_held_by_rollouts(command: SingleCommand) -> bool:
    if isinstance(command, UpdateCommand | ScaleCommand | RestartCommand | RunCommand):
        return not command.force
    return isinstance(command, RebalanceCommand)


def _is_run_after_run(command: SingleCommand, service: Json) -> bool:
    """Whether it would not be held by the rollout that may begin: that is the run before it."""
    return isinstance(command, RunCommand) and is_run(service.get("PreviousSpec") or {}, service["Spec"])


def _can_create_unseen(command: SingleCommand) -> bool:
    """Whether the engine's own word on the name is enough: it refuses one that is taken, and only then is it read.

    Not where an earlier delivery may have created it and this one would be refused for another reason.
    """
    return (
        isinstance(command, CreateCommand)
        and not command.dry_run
        and command.expect == NOTHING_EXPECTED
        and not kinds_needed(command.service)
        and datetime.now(UTC) < deadline(command)
    )


def _told(action: Action, situation: Situation) -> Outcome:
    changes = action.changes if isinstance(action, Create | Write | WriteNode) else ()
    warnings = action.warnings if isinstance(action, Write | WriteNode) else ()
    reason = action.held if isinstance(action, Write) else None
    return Outcome(
        changed=False, service=situation.service, node=situation.node, changes=changes, warnings=warnings, held=reason
    )


def identity(outcome: Outcome) -> tuple[str | None, str | None, str | None, int | None]:
    """(service's id, its name, node's id, version now), for results."""
    found = outcome.node or outcome.service
    if found is None:
        return None, None, None, None
    is_now = version(found) if outcome.written_from is None else None
    if outcome.node is not None:
        return None, None, found["ID"], is_now
    return found["ID"], name(found), None, is_now
