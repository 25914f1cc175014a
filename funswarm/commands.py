"""The commands: what others ask of the Swarm, as `<p>.command.<verb>.<target>` carries it.

Pure pydantic models, frozen; an unknown field is refused. How a command travels: Client -> COMMANDS -> scheduler ->
Result in RESULTS. Arguments are absolute desired values, so that a command means the same whenever it is done.
"""

import hashlib
import json
import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from funswarm.explain import explain
from funswarm.namespaces import Namespace
from funswarm.order import check_order
from funswarm.spec import REPLICAS_MAX, ServicePatch, ServiceSpec
from funswarm.state import Value

COMMAND_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
COMMAND_ID_MAX: Final = 64
BATCH_MAX: Final = 50
COMMAND_BYTES_MAX: Final = 512 * 1024  # Swarm refuses objects over 1 MiB or so; NATS messages too


SERVICE_VERBS: Final = ("create", "update", "scale", "restart", "rollback", "remove", "run", "rebalance")
NODE_VERBS: Final = ("pause", "drain", "activate")
VERBS: Final = (*SERVICE_VERBS, *NODE_VERBS, "batch")


def shape(verbs: tuple[str, ...]) -> dict[str, Any]:
    """The JSON Schema of a command of one of these verbs, as far as all have it."""
    target = {"type": "string", "minLength": 1, "maxLength": 128}
    return {"required": ["verb", "target"], "properties": {"verb": {"enum": list(verbs)}, "target": target}}


def _verb_required(schema: dict[str, Any]) -> None:
    """In Python the class says the verb; a message does."""
    if "verb" not in schema["required"]:
        schema["required"].append("verb")


class Expect(Value):
    """What must hold for a command to have its effect; None: not asked."""

    version: int | None = None
    replicas: int | None = None
    absent: bool | None = None


class CommandBase(Value):
    """What every command has. `deadline`: refused after it. `requested_by`: who asked, for the record.

    `namespaces`: whoever asks may act in these only, so the scheduler refuses all else; empty: everywhere.
    """

    model_config = ConfigDict(json_schema_extra=_verb_required)

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The idempotency key, and the Nats-Msg-Id header")
    target: str = Field(
        min_length=1, max_length=128, description="The service's name, or its id; the node's hostname, or its id"
    )
    expect: Expect = Expect()
    deadline: datetime | None = None
    dry_run: bool = False
    requested_by: str | None = Field(None, max_length=256)
    namespaces: Annotated[tuple[Namespace, ...], Field(max_length=64)] = ()

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


class RunCommand(CommandBase):
    """Run a job once more, or a service whose tasks end by themselves; what still runs of the run before is stopped.

    `replicas`: how many tasks, of a replicated job how many completions; None: as many as it has, at least one.
    `token`: ForceUpdate of the run's tasks, by which they are told apart; None: of a service the next number.
    `force`: also in the middle of a rollout.
    """

    verb: Literal["run"] = "run"
    replicas: int | None = Field(None, ge=0, le=REPLICAS_MAX)
    token: int | None = Field(None, ge=1, lt=2**53)
    force: bool = False


class RebalanceCommand(CommandBase):
    """Spread the tasks of a replicated service evenly over its nodes, by surges: it is only begun.

    The policy `rebalance` does it, one service at a time; its decisions tell how it goes. A label marks it until then.
    """

    verb: Literal["rebalance"] = "rebalance"


class PauseCommand(CommandBase):
    """Give a node no new tasks; those that it has stay. `target`: the node's hostname or id."""

    verb: Literal["pause"] = "pause"


class DrainCommand(CommandBase):
    """Take all tasks from a node, and give it no new ones. `target`: the node's hostname or id.

    `graceful`: only when as many tasks run elsewhere, so that no service has fewer than before; until then the node is
    paused, and bears a label. The policy `drain` does it; activating or pausing the node ends it.
    """

    verb: Literal["drain"] = "drain"
    graceful: bool = False


class ActivateCommand(CommandBase):
    """Give a node tasks again. `target`: the node's hostname or id."""

    verb: Literal["activate"] = "activate"


ServiceCommand = (
    CreateCommand
    | UpdateCommand
    | ScaleCommand
    | RestartCommand
    | RollbackCommand
    | RemoveCommand
    | RunCommand
    | RebalanceCommand
)
NodeCommand = PauseCommand | DrainCommand | ActivateCommand
SingleCommand = ServiceCommand | NodeCommand


class BatchItem(Value):
    """One command of a batch, which is done as any other, under the id `<batch's id>-<name>`.

    `depends_on`: the items that must have succeeded before it is begun. `wait`: when it has: as soon as it is applied,
    or when its service has converged.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,31}$")
    command: dict[str, Any] = Field(
        json_schema_extra=shape((*SERVICE_VERBS, *NODE_VERBS)),
        description="As on `command.<verb>.<target>`, with both in it, but without `id`, `dry_run` and who asks",
    )
    depends_on: Annotated[tuple[str, ...], Field(max_length=BATCH_MAX)] = ()
    wait: Literal["applied", "converged"] = "applied"


class BatchCommand(CommandBase):
    """Do several commands: all are checked before the first is done, and if one is refused none is.

    `target`: a name for the batch, of your choice. Commands for the same target must depend on each other. What is
    begun is not taken back where another fails; what depends on that is left. `deadline`: of those that have none.
    """

    verb: Literal["batch"] = "batch"
    commands: Annotated[tuple[BatchItem, ...], Field(min_length=1, max_length=BATCH_MAX)]

    @model_validator(mode="after")
    def _checked(self) -> Self:
        singles = self.singles()
        if len(singles) < len(self.commands):
            raise ValueError("two commands have the same name")
        check_order(self.edges, {name: single.target for name, single in singles.items()})
        return self

    @property
    def edges(self) -> dict[str, tuple[str, ...]]:
        """What each depends on, by name."""
        return {item.name: item.depends_on for item in self.commands}

    def singles(self) -> dict[str, SingleCommand]:
        """By name, the commands as they are done.

        Raises:
            ValueError: one is none.
        """
        return {item.name: self._single(item) for item in self.commands}

    def _single(self, item: BatchItem) -> SingleCommand:
        if reserved := sorted(item.command.keys() & {"id", "dry_run", "requested_by", "namespaces"}):
            raise ValueError(f"{item.name}: leave {', '.join(reserved)} out: the batch has that for all")
        if item.command.get("verb") == "batch":
            raise ValueError(f"{item.name}: a batch in a batch: name its commands here")
        if len(command_id := f"{self.id}-{item.name}") > COMMAND_ID_MAX:
            raise ValueError(f"{item.name}: its id would be {command_id}: at most {COMMAND_ID_MAX} characters")
        fields = {"deadline": self.deadline, **item.command, "id": command_id, "dry_run": self.dry_run}
        fields |= {"requested_by": self.requested_by, "namespaces": self.namespaces}
        try:
            return SINGLES.validate_python(fields)
        except ValidationError as error:
            raise ValueError(f"{item.name}: {explain(error)}") from error


SINGLES: Final[TypeAdapter[SingleCommand]] = TypeAdapter(Annotated[SingleCommand, Field(discriminator="verb")])
Command = Annotated[SingleCommand | BatchCommand, Field(discriminator="verb")]
COMMANDS: Final[TypeAdapter[Command]] = TypeAdapter(Command)
