"""The messages on NATS: events, commands, results, dead letters, answers to queries.

Pure pydantic models, frozen; an unknown field is refused. Each is described in docs/messages.md, which is generated
from these models. How a command travels: Client -> COMMANDS -> scheduler -> Result in RESULTS.
"""

import hashlib
import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from funswarm.spec import REPLICAS_MAX, ServicePatch, ServiceSpec
from funswarm.state import AnyState, Condition, NodeState, Port, ServiceState, TaskState, Value

COMMAND_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
COMMAND_BYTES_MAX: Final = 512 * 1024  # Swarm refuses objects over 1 MiB or so; NATS messages too
MSG_ID_HEADER: Final = "Nats-Msg-Id"
TRACEPARENT_HEADER: Final = "traceparent"


class Change(Value):
    """One difference between two states; `path` is dotted, e.g. `replicas` or `spec.Mode.Replicated.Replicas`.

    `before` or `after` is null where the path is absent on that side.
    """

    path: str
    before: Any = None
    after: Any = None


class Event(Value):
    """One change of one object.

    `before` is the previous event's `after`, null at `created`; `after` is null at `removed`.
    `id`: `<kind>/<object id>@<version>`, with `/<action>.<revision>` where the version did not move or the object is
    back after its removal, `@removed.<revision>` for a removal.
    `time` is Swarm's, `observed_at` the poller's clock. `command`: the command that wrote this spec, where one did;
    null where Swarm went back to an older one.
    """

    id: str
    time: str
    observed_at: datetime
    cluster: str
    kind: str
    action: str
    name: str
    object_id: str
    version: int
    before: AnyState | None
    after: AnyState | None
    changes: tuple[Change, ...] = ()
    command: str | None = None


class Expect(Value):
    """What must hold for a command to have its effect; None: not asked."""

    version: int | None = None
    replicas: int | None = None
    absent: bool | None = None


class CommandBase(Value):
    """What every command has. `deadline`: refused after it. `requested_by`: who asked, for the record."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The idempotency key, and the Nats-Msg-Id header")
    target: str = Field(min_length=1, max_length=128, description="The service's name, or its id")
    expect: Expect = Expect()
    deadline: datetime | None = None
    dry_run: bool = False
    requested_by: str | None = Field(None, max_length=256)

    @property
    def digest(self) -> str:
        """A hash of what is asked: the same id with another digest is another command by mistake."""
        asked = self.model_dump(mode="json", exclude={"id", "requested_by"})
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


class CreateCommand(CommandBase):
    """Create the service; `target` is its name."""

    verb: Literal["create"] = "create"
    service: ServiceSpec


class UpdateCommand(CommandBase):
    """Set the fields that `changes` names; the others stay. `force`: also in the middle of a rollout."""

    verb: Literal["update"] = "update"
    changes: ServicePatch
    force: bool = False


class ScaleCommand(CommandBase):
    """Set the replicas. `force`: also in the middle of a rollout (which ends its way back)."""

    verb: Literal["scale"] = "scale"
    replicas: int = Field(ge=0, le=REPLICAS_MAX)
    force: bool = False


class RestartCommand(CommandBase):
    """Replace all tasks (Swarm's forced update)."""

    verb: Literal["restart"] = "restart"
    force: bool = False


class RollbackCommand(CommandBase):
    """Go back to the previous spec."""

    verb: Literal["rollback"] = "rollback"


class RemoveCommand(CommandBase):
    """Remove the service."""

    verb: Literal["remove"] = "remove"


Command = Annotated[
    CreateCommand | UpdateCommand | ScaleCommand | RestartCommand | RollbackCommand | RemoveCommand,
    Field(discriminator="verb"),
]
COMMANDS: Final[TypeAdapter[Command]] = TypeAdapter(Command)
VERBS: Final = ("create", "update", "scale", "restart", "rollback", "remove")


class ResultStatus(StrEnum):
    """`refused`: nothing changed, and the way out is in the reason. `failed`: the engine would not, or we could not."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"


class Code(StrEnum):
    """Why a command was refused or failed, for programs; the same words as in problem+json and exceptions."""

    INVALID = "invalid"
    MALFORMED = "malformed"
    UNKNOWN_SERVICE = "unknown-service"
    NAME_TAKEN = "name-taken"
    WRONG_MODE = "wrong-mode"
    ROLLOUT = "rollout-in-progress"
    NO_PREVIOUS_SPEC = "no-previous-spec"
    EXPECTATION = "expectation-failed"
    DEADLINE = "deadline-passed"
    CONFLICT = "conflict"
    ENGINE = "engine-refused"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Result(Value):
    """How a command ended.

    `service_id` and `version` as written, None where nothing was (of a new service the engine does not tell a version);
    `changed` False: it held already.
    """

    command_id: str
    verb: str
    target: str
    status: ResultStatus
    code: Code | None = None
    reason: str | None = None
    service_id: str | None = None
    service_name: str | None = None
    version: int | None = None
    changed: bool = False
    warnings: tuple[str, ...] = ()
    plan: tuple[Change, ...] = Field((), description="The changes of the spec: done, or with dry_run only planned")
    digest: str | None = None
    finished_at: datetime


class DeadLetter(Value):
    """A message that could not be done or understood; `body` is the original, text or base64 (`encoding`)."""

    reason: str
    code: Code
    subject: str
    headers: dict[str, str] = {}
    body: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    at: datetime


class PartHealth(Value):
    """One copy of one part.

    `active`: it holds the lease (the api: always). `data_age_s`: since it last knew all to be so.
    """

    part: Literal["poller", "scheduler", "api"]
    instance: str
    version: str
    started_at: datetime
    active: bool
    ok: bool
    reason: str | None = None
    data_age_s: float | None = None
    simulator: bool = False
    engine: str | None = Field(None, description="The engine's version and address, where this part talks to one")


class ServiceSummary(Value):
    """A service at a glance, as `/health` lists it."""

    id: str
    name: str
    image: str
    mode: str
    running: int
    desired: int
    ports: tuple[Port, ...] = ()
    updated_at: str
    condition: Condition


class Health(Value):
    """`ok` False comes with `reasons`. `services`: all that Swarm has, by name."""

    ok: bool
    reasons: tuple[str, ...] = ()
    cluster: str | None = None
    simulator: bool = False
    parts: tuple[PartHealth, ...] = ()
    services: tuple[ServiceSummary, ...] = ()


class Query(Value):
    """A question to the poller. None: not asked. Answers come in pages of up to `limit`, from after the id `after`."""

    name: str | None = Field(None, description="A service's, task's or node's name or id, exactly")
    service: str | None = Field(None, description="Tasks of this service, by name or id")
    node: str | None = Field(None, description="Tasks on this node, by name or id")
    after: str | None = None
    limit: int = Field(200, ge=1, le=1000)


class ServicePage(Value):
    """`next`: ask again with `after` set to it; None at the end."""

    items: tuple[ServiceState, ...]
    next: str | None = None


class SummaryPage(Value):
    """The services at a glance; `next` as in `ServicePage`."""

    items: tuple[ServiceSummary, ...]
    cluster: str
    next: str | None = None


class TaskPage(Value):
    """`next` as in `ServicePage`."""

    items: tuple[TaskState, ...]
    next: str | None = None


class NodePage(Value):
    """`next` as in `ServicePage`."""

    items: tuple[NodeState, ...]
    next: str | None = None
