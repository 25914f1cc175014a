"""The keep policy: what was changed or removed past Funswarm is restored. Pure, but for `run`, which reads the audit.

What Funswarm's commands write is what is kept, of policies' commands what they changed themselves; a spec that differs
while the label still names the command of before was written by somebody else. Swarm's own rollback brings back exactly
what was before, secrets and all, for the published spec is redacted. A service that was removed is created again from
the commands that made it (`origin`), if these are known, and if no command removed it.
"""

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from funswarm.commands import Command, CreateCommand, Expect, RemoveCommand, RollbackCommand, UpdateCommand
from funswarm.errors import FunswarmError
from funswarm.messages import Change, Problem, Result
from funswarm.records import CommandRecord
from funswarm.spec import ServicePatch
from funswarm.state import ServiceState
from services.bus.connection import Bus
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.keep_memory import (
    PATCH,
    Learnt,
    Memory,
    Settings,
    kept_of,
    remembered,
    with_commands,
    without_refused,
)
from services.scheduler.policies.labels import read
from services.scheduler.policies.record import shows_not_yet, succeeded
from services.scheduler.spec_changes import spec_changes

BACK_OFF_S: Final = 5.0
BACK_OFF_MAX_S: Final = 300.0
CHANGES_SHOWN: Final = 20
COMMANDS_MAX: Final = 50  # of one service, that its memory does not have yet
NAMES_MAX: Final = 1000  # of services that are gone
LOOKED_S: Final = 60.0  # so long an answer of the audit is good: a service of that name may come and go again
RETRY_S: Final = 1.0
_IMAGE: Final = "spec.TaskTemplate.ContainerSpec.Image"
_REPLICAS: Final = "spec.Mode.Replicated.Replicas"
_LABELS: Final = "spec.Labels"

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Keep(Policy[Settings, Memory]):
    """See above."""

    name = "keep"
    memory = Memory
    outlives = True

    def __init__(self, bus: Bus | None = None) -> None:
        self._bus = bus
        self._commands: dict[str, list[Command]] = defaultdict(list)
        self._removed: dict[str, str] = {}
        self._questions: set[str] = set()
        self._looked: dict[str, float] = {}  # when, by a clock that only goes on
        self._followed: set[str] = set()
        self._asked = asyncio.Event()

    # What it learns.
    def done(self, command: Command, result: Result) -> None:
        name = result.service_name
        if name is None or command.dry_run or not succeeded(result) or not result.changed:
            return
        if isinstance(command, RollbackCommand) and command.requested_by == f"policy/{self.name}":
            return  # back to what is kept
        if isinstance(command, RemoveCommand):
            self._commands.pop(name, None)
            if name in self._followed:
                self._followed.discard(name)
                _note(self._removed, name, result.service_id or "")
            return
        if isinstance(command, CreateCommand):
            self._commands.pop(name, None)
            self._removed.pop(name, None)
            if f"funswarm.{self.name}" not in (command.service.labels or {}):
                return
            self._followed.add(name)
        if name in self._followed:
            self._commands[name] = [*self._commands[name], command][-COMMANDS_MAX:]

    def observed(self, name: str) -> Learnt:
        self._followed.add(name)
        looked = time.monotonic() - self._looked.get(name, -LOOKED_S) < LOOKED_S
        return Learnt(tuple(self._commands.get(name, ())), self._removed.get(name), looked)

    def wants_to_know(self, name: str) -> None:
        """Have `run` look whether a command removed it."""
        self._questions.add(name)
        self._asked.set()

    async def run(self, touch: Callable[[set[str]], None]) -> None:
        while self._bus is not None:
            await self._asked.wait()
            self._asked.clear()
            while self._questions:
                name = self._questions.pop()
                try:
                    removed = await _removed_by_command(self._bus, name)
                except FunswarmError as error:
                    log.warning("who removed a service is not known yet", service=name, reason=str(error))
                    self._questions.add(name)
                    await asyncio.sleep(RETRY_S)
                    continue
                if removed is not None:
                    _note(self._removed, name, removed)
                _note(self._looked, name, time.monotonic())
                touch({name})

    # What it decides.
    def parse(self, service: ServiceState) -> Parsed[Settings]:
        parsed = read(Settings, self.name, service)
        if parsed.settings is None or not service.mode.endswith("job"):
            return parsed
        reason = "it is a job, which each write runs again: it cannot be restored without a run"
        return Parsed(None, (*parsed.problems, Problem(source=self.name, service=service.name, reason=reason)))

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        service, settings = situation.service, situation.settings
        assert service is not None
        assert settings is not None
        memory = remembered(situation, service, settings)
        if (spec := kept_of(service.spec)) == memory.spec:
            return Verdict(memory.model_copy(update={"drifted": None, "tried": ()}))
        memory = memory.model_copy(update={"drifted": spec})
        if shows_not_yet(situation):
            return Verdict(memory)
        done = without_refused(memory, situation.sent, situation.result)
        changes = spec_changes(memory.spec, spec)
        what = ", ".join(change.path.removeprefix("spec.") for change in changes[:CHANGES_SHOWN])
        said = Said(f"it was changed past Funswarm: {what}", {"changes": _shown(changes)})
        if (waits := _paced(memory, done.restored, said, situation.now)) is not None:
            return waits
        drift = _fingerprint(service)
        restored = memory.model_copy(update={"restored": (*done.restored, situation.now), "count": memory.count + 1})
        if not done.tried and service.has_previous_spec:
            tried = restored.model_copy(update={"tried": (drift,)})
            return Verdict(memory, Ask(RollbackCommand(id=UNNAMED, target=service.name), tried, in_rollout=True), said)
        patch = _patch(changes)
        if patch is None or PATCH in done.tried:
            limiter = "it was written more than once, and what it was is not known in full: put it right by hand"
            return Verdict(memory, said=Said(said.reason, said.inputs, limiter=limiter))
        tried = restored.model_copy(update={"tried": (*done.tried, PATCH)})
        return Verdict(memory, Ask(UpdateCommand(id=UNNAMED, target=service.name, changes=patch), tried), said)

    def gone(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        memory, learnt = situation.memory, situation.observed or Learnt()
        assert memory is not None
        if learnt.removed == memory.service_id:
            return Verdict()
        if not learnt.looked:
            self.wants_to_know(situation.name)
            return Verdict(memory)
        memory = memory.model_copy(update={"origin": with_commands(memory.origin, learnt.commands)})
        said = Said("it was removed past Funswarm")
        spec = memory.origin.made() if memory.origin is not None and memory.origin.command == memory.command else None
        if spec is None:
            limiter = "it cannot be made again: not all of it was described through Funswarm. Deploy it again"
            return Verdict(said=Said(said.reason, limiter=limiter))
        if (waits := _paced(memory, memory.restored, said, situation.now)) is not None:
            return waits
        restored = memory.model_copy(update={"restored": (*memory.restored, situation.now), "count": memory.count + 1})
        create = CreateCommand(id=UNNAMED, target=situation.name, service=spec, expect=Expect(absent=True))
        key = f"restore {memory.service_id} {memory.count}"
        return Verdict(memory, Ask(create, restored, key), said, again_at=situation.now + timedelta(seconds=BACK_OFF_S))


def _note(known: dict[str, T], name: str, what: T) -> None:
    """Of many names the last: what is not known of one, the audit tells again."""
    known.pop(name, None)
    known[name] = what
    if len(known) > NAMES_MAX:
        del known[next(iter(known))]


async def _removed_by_command(bus: Bus, name: str) -> str | None:
    """The id of the service of that name that a command removed last; None: none did, as far as the audit tells."""
    subject = bus.subjects.audited("succeeded", "remove", name)
    found = await bus.newest(bus.subjects.audit_stream, subject)
    return None if found is None else CommandRecord.model_validate_json(found.body).service_id


def _paced(memory: Memory, restored: tuple[datetime, ...], said: Said, now: datetime) -> Verdict[Memory] | None:
    """Not now: too often, or too soon after the last of the times it was `restored`. None: now."""
    settings, times = memory.settings, len(restored)
    if times >= settings.limit:
        until = restored[-settings.limit] + timedelta(seconds=settings.window)
        if now < until:
            limiter = f"restored {times} times within {settings.window:g} s: somebody insists, so it is left"
            return Verdict(memory, said=Said(said.reason, said.inputs, limiter=limiter), again_at=until)
    if times:
        wait_s = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** (times - 1))
        until = restored[-1] + timedelta(seconds=wait_s)
        if now < until:
            return Verdict(memory, again_at=until)
    return None


def _patch(changes: tuple[Change, ...]) -> ServicePatch | None:
    """What brings back what there was, of that which is published as it is; None: there is more."""
    fields: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    for change in changes:
        if change.path == _IMAGE:
            fields["image"] = change.before
        elif change.path == _REPLICAS and change.before is not None:
            fields["replicas"] = change.before
        elif change.path.startswith(f"{_LABELS}."):
            labels[change.path.removeprefix(f"{_LABELS}.")] = change.before
        else:
            return None
    return ServicePatch.model_validate(fields | ({"labels": labels} if labels else {}))


def _fingerprint(service: ServiceState) -> str:
    return hashlib.sha256(json.dumps(kept_of(service.spec), sort_keys=True).encode()).hexdigest()[:16]


def _shown(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [change.model_dump(mode="json") for change in changes[:CHANGES_SHOWN]]
