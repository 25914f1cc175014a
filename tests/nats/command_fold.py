"""Is what came of commands right? Folds them in the order of the queue and compares with results and effects. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from funswarm.commands import (
    Command,
    CreateCommand,
    NodeCommand,
    RemoveCommand,
    RestartCommand,
    RollbackCommand,
    ScaleCommand,
    UpdateCommand,
)
from funswarm.messages import Code, Result, ResultStatus

AVAILABILITY = {"activate": "active", "pause": "pause", "drain": "drain"}


@dataclass(frozen=True, slots=True)
class Spec:
    """What commands change of a service; of a job only that it is there."""

    image: str
    replicas: int | None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    spec: Spec
    before: Spec | None = None

    def written(self, spec: Spec) -> "Service":
        return Service(spec, self.spec)


@dataclass(frozen=True, slots=True)
class Expected:
    """Which code (None: it succeeded), whether it changed something, and the service after it."""

    code: Code | None
    changed: bool
    after: Service | None


def expected(command: Command, service: Service | None) -> Expected:
    """How a command for a service must end."""
    match command:
        case CreateCommand():
            if service is not None:
                return Expected(Code.NAME_TAKEN, False, service)
            made = command.service
            return Expected(None, True, Service(Spec(made.image, made.replicas)))
        case _ if service is None:
            return Expected(Code.UNKNOWN_SERVICE, False, None)
        case RemoveCommand():
            return Expected(None, True, None)
        case RollbackCommand():
            if service.before is None:
                return Expected(Code.NO_PREVIOUS_SPEC, False, service)
            return Expected(None, True, service.written(service.before))
        case ScaleCommand():
            wanted = replace(service.spec, replicas=command.replicas)
        case UpdateCommand():
            wanted = replace(service.spec, image=command.changes.image or "")
        case RestartCommand():
            wanted = replace(service.spec, restarts=service.spec.restarts + 1)
        case _:  # run
            return Expected(None, True, service)
    changed = wanted != service.spec
    return Expected(None, changed, service.written(wanted) if changed else service)


@dataclass(slots=True)
class Fold:
    """`services` and `nodes` (availability), by name, after all; `problems`: an empty list, all is right."""

    services: dict[str, Service]
    nodes: dict[str, str]
    problems: list[str]


def fold(
    commands: Iterable[Command], results: Mapping[str, Result | None], effects: Iterable[str], records: Counter[str]
) -> Fold:
    """`commands`: in the order of the queue; `effects`: of each write its command's id, in the order of the writes."""
    done = Fold({}, {}, [])
    places, counts = {}, Counter(effects)
    for place, command in enumerate(commands):
        places[command.id] = place, command.target
        what, result = f"{command.verb} {command.target} {command.id}", results.get(command.id)
        if result is None:
            done.problems.append(f"{what}: no result")
            continue
        if not records[command.id]:  # at least one: that several of one command are the same record is its id's to say
            done.problems.append(f"{what}: no record")
        if isinstance(command, NodeCommand):
            done.nodes[command.target] = AVAILABILITY[command.verb]
            if result.status is not ResultStatus.SUCCEEDED or counts[command.id] > 1:
                done.problems.append(f"{what}: {counts[command.id]} effects, {result.status} {result.reason}")
            continue
        before = done.services.pop(command.target, None)
        wanted = expected(command, before)
        if isinstance(command, RollbackCommand) and result.code is Code.ROLLOUT:
            wanted = Expected(Code.ROLLOUT, False, before)  # it depends on how far the one before has come
        if (wanted.code, wanted.changed) != (result.code, result.changed):
            done.problems.append(f"{what}: {result.code} {result.changed} {result.reason}, expected {wanted}")
        if counts[command.id] != wanted.changed:
            done.problems.append(f"{what}: {counts[command.id]} effects, {result.status}")
        if wanted.after is not None:
            done.services[command.target] = wanted.after
    done.problems += _out_of_order(effects, places)
    return done


def _out_of_order(effects: Iterable[str], places: Mapping[str, tuple[int, str]]) -> Iterable[str]:
    last: dict[str, int] = {}
    for command_id in effects:
        place, target = places[command_id]
        if place < last.get(target, -1):
            yield f"{command_id} had its effect on {target} after a later command"
        last[target] = place
