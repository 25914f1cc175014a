"""The crash-loop policy: tells why a service's tasks fail again and again, and ends that where it is asked to. Pure.

`funswarm.crash-loop=true`, `.after` failures `.within` a time; `.action`: `explain`, `rollback` or `stop` (0 replicas).
A failure is counted once, and remembered for as long as it counts, since Swarm forgets tasks after a few more.
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from funswarm.commands import RollbackCommand, ScaleCommand
from funswarm.state import ServiceState, TaskState, Value
from funswarm.units import Duration
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.labels import read
from services.scheduler.policies.record import moment, shows_not_yet

FAILED: Final = frozenset({"failed", "rejected"})
REMEMBERED_MAX: Final = 200
_MEANINGS: Final = {
    126: "its command cannot be executed",
    127: "its command is not found",
    134: "it aborted",
    137: "it was killed: out of memory, most often",
    139: "it crashed: a segmentation fault",
    143: "it was told to end",
}


class Settings(Value):
    """The labels."""

    after: int = Field(5, ge=2, le=REMEMBERED_MAX)
    within: Duration = Field(600.0, ge=10.0)
    action: Literal["explain", "rollback", "stop"] = "explain"


class Failure(Value):
    """One task that failed."""

    task: str
    at: datetime


class Memory(Value):
    """`template`: of which spec the failures are. `went_back`: that was reached by our rollback. `stopped`: by us,
    or it was asked to be.
    """

    template: str
    since: datetime
    failures: tuple[Failure, ...] = ()
    went_back: bool = False
    going_back: bool = False
    stopped: bool = False


class CrashLoop(Policy[Settings, Memory]):
    """See above."""

    name = "crash-loop"
    memory = Memory
    needs_tasks = True

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        return read(Settings, self.name, service)

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        service, settings = situation.service, situation.settings
        assert service is not None
        assert settings is not None
        memory = _remembered(situation, service)
        if memory.stopped and service.replicas == 0:
            stopped = memory.model_copy(update={"failures": ()})
            return Verdict(stopped, claims=f"it was stopped for its crash loop: scale {service.name} up by hand")
        if memory.stopped and shows_not_yet(situation):
            return Verdict(memory, claims="it is being stopped for its crash loop")
        tasks = situation.world.tasks_of(service.id)
        memory = _counted(memory.model_copy(update={"stopped": False}), tasks, settings, situation.now)
        if len(memory.failures) < settings.after:
            return Verdict(memory)
        return _acted(memory, _explained(memory, tasks, settings), service, settings)


def _remembered(situation: Situation[Settings, Memory], service: ServiceState) -> Memory:
    """The memory of this very template."""
    template = hashlib.sha256(json.dumps(service.spec.get("TaskTemplate"), sort_keys=True).encode()).hexdigest()[:16]
    before = situation.memory
    if before is None:
        return Memory(template=template, since=moment(service.created_at))
    if before.template == template:
        return before
    status = service.update_status.state if service.update_status is not None else ""
    went_back = before.going_back and status.startswith("rollback")
    return Memory(template=template, since=moment(service.updated_at), went_back=went_back)


def _counted(memory: Memory, tasks: tuple[TaskState, ...], settings: Settings, now: datetime) -> Memory:
    known = {failure.task: failure for failure in memory.failures}
    for task in tasks:
        if task.state in FAILED and task.timestamp and moment(task.timestamp) >= memory.since:
            known.setdefault(task.id, Failure(task=task.id, at=moment(task.timestamp)))
    oldest = now - timedelta(seconds=settings.within)
    recent = sorted((one for one in known.values() if one.at > oldest), key=lambda one: (one.at, one.task))
    return memory.model_copy(update={"failures": tuple(recent[-REMEMBERED_MAX:])})


def _explained(memory: Memory, tasks: tuple[TaskState, ...], settings: Settings) -> Said:
    failed = sorted((task for task in tasks if task.state in FAILED), key=lambda task: task.timestamp)
    reason = f"{len(memory.failures)} tasks failed within {settings.within:g} s"
    codes = sorted({task.exit_code for task in failed if task.exit_code is not None})
    nodes = sorted({task.node_name for task in failed if task.node_name})
    if failed:
        last = failed[-1]
        code = "" if last.exit_code is None else f" with exit code {last.exit_code}"
        meaning = f" ({_MEANINGS[last.exit_code]})" if last.exit_code in _MEANINGS else ""
        said = f": {last.error or last.message}" if last.error or last.message else ""
        reason += f"; the last, {last.name} on {last.node_name or 'no node'}, {last.state}{code}{meaning}{said}"
    inputs = {"failures": len(memory.failures), "exit_codes": codes, "nodes": nodes}
    return Said(reason, inputs, f"{len(memory.failures)} ≥ {settings.after} failures")


def _acted(memory: Memory, said: Said, service: ServiceState, settings: Settings) -> Verdict[Memory]:
    if settings.action == "rollback":
        if memory.went_back:
            return Verdict(
                memory, said=_limited(said, "this is what it was rolled back to: there is no way further back")
            )
        if not service.has_previous_spec:
            return Verdict(memory, said=_limited(said, "there is no previous spec to roll back to"))
        going = memory.model_copy(update={"going_back": True})
        ask = Ask(RollbackCommand(id=UNNAMED, target=service.name), memory=going, in_rollout=True)
        return Verdict(memory, ask, said)
    if settings.action == "stop":
        if service.mode != "replicated":
            return Verdict(
                memory, said=_limited(said, f"it is {service.mode}: only a replicated service can be stopped")
            )
        stopped = memory.model_copy(update={"stopped": True})
        stop = ScaleCommand(id=UNNAMED, target=service.name, replicas=0)
        return Verdict(memory, Ask(stop, memory=stopped, direction="down", in_rollout=True), said)
    return Verdict(memory, said=said)


def _limited(said: Said, limiter: str) -> Said:
    return Said(said.reason, said.inputs, said.formula, limiter)
