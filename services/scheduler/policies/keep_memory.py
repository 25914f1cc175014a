"""What the keep policy remembers of a service, and how that goes on with what Funswarm's commands write. Pure."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic import Field

from funswarm.commands import Command, RollbackCommand
from funswarm.messages import Result
from funswarm.state import COMMAND_LABEL, TRACE_LABEL, ServiceState, Value
from funswarm.units import Duration
from services.scheduler.policies.contract import Sent, Situation
from services.scheduler.policies.origin import Origin, after
from services.scheduler.policies.record import OWN_PREFIX, succeeded

PATCH: Final = "patch"  # among what was tried
_ABSENT: Final = object()


class Settings(Value):
    """The labels: so many restorations within a time, then it is left."""

    limit: int = Field(5, ge=1, le=100)
    window: Duration = Field(3600.0, ge=10.0)


class Memory(Value):
    """What is kept: `spec` (redacted), written last by `command`; `origin`: how to make it again, None: not known.

    `restored`: when, within the window. `count`: how often ever. `drifted`: the spec that is to be undone, None: none
    is; `tried`: what was tried against it: a fingerprint of what was rolled back, a policy's command, PATCH.
    """

    service_id: str
    settings: Settings
    spec: dict[str, Any]
    command: str | None = None
    origin: Origin | None = None
    restored: tuple[datetime, ...] = ()
    count: int = 0
    drifted: dict[str, Any] | None = None
    tried: tuple[str, ...] = ()


class Learnt(NamedTuple):
    """`commands`: that succeeded, oldest first. `removed`: the id of the service that a command removed last.

    `looked`: the audit was asked for that.
    """

    commands: tuple[Command, ...] = ()
    removed: str | None = None
    looked: bool = False


def remembered(situation: Situation[Settings, Memory], service: ServiceState, settings: Settings) -> Memory:
    """What is kept, with what Funswarm has written since."""
    memory, learnt = situation.memory, situation.observed or Learnt()
    label, spec = service.labels.get(COMMAND_LABEL), kept_of(service.spec)
    if memory is None:
        memory = Memory(service_id=service.id, settings=settings, spec=spec, command=label)
    elif memory.service_id != service.id or (label is not None and label != memory.command):
        memory = _written(memory, service.id, label, spec)
    window = situation.now - timedelta(seconds=settings.window)
    recent = tuple(at for at in memory.restored if at > window)
    origin = with_commands(memory.origin, learnt.commands)
    return memory.model_copy(update={"settings": settings, "restored": recent, "origin": origin})


def without_refused(memory: Memory, sent: Sent | None, result: Result | None) -> Memory:
    """The memory without its last try, where that has ended and was not done: Swarm's own write came in between, say.

    To decide by, not to be kept: as long as `sent` is the last command, it is left out each time.
    """
    if sent is None or succeeded(result):
        return memory
    last = memory.tried[-1] if memory.tried else PATCH
    rolled_back = last != PATCH and not last.startswith(OWN_PREFIX)
    is_its = rolled_back if isinstance(sent.command, RollbackCommand) else last == PATCH
    tried = memory.tried[:-1] if is_its else memory.tried
    restored = tuple(at for at in memory.restored if at != sent.at)
    return memory.model_copy(update={"tried": tried, "restored": restored})


def _written(memory: Memory, service_id: str, label: str | None, spec: dict[str, Any]) -> Memory:
    """What is kept after a command: what there is; after a policy's on top of a drift, what that one changed alone."""
    update: dict[str, Any] = {"service_id": service_id, "spec": spec, "command": label, "tried": ()}
    same = memory.drifted is not None and memory.service_id == service_id
    if same and label is not None and label.startswith(OWN_PREFIX):
        update["spec"] = _laid_over(memory.spec, memory.drifted, spec)
        update["tried"] = memory.tried or (label,)  # Swarm's rollback would undo the policy's write, not the drift
    return memory.model_copy(update=update)


def _laid_over(kept: Any, before: Any, after: Any) -> Any:
    """What is kept, with what differs between `before` and `after`; lists as wholes."""
    if before == after:
        return kept
    if not all(isinstance(part, dict) for part in (kept, before, after)):
        return after
    found = {key: _laid_over(*(part.get(key, _ABSENT) for part in (kept, before, after))) for key in {**kept, **after}}
    return {key: value for key, value in found.items() if value is not _ABSENT}


def with_commands(origin: Origin | None, commands: tuple[Command, ...]) -> Origin | None:
    """With the commands that are not in it yet laid over it."""
    known = next((number for number, one in enumerate(commands) if origin and one.id == origin.command), -1)
    for command in commands[known + 1 :]:
        origin = after(origin, command)
    return origin


def kept_of(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec without the labels that each of our writes changes."""
    labels = {key: text for key, text in (spec.get("Labels") or {}).items() if key not in (COMMAND_LABEL, TRACE_LABEL)}
    return {**spec, "Labels": labels}
