"""The states that Funswarm observes, compares and publishes: services, tasks, nodes, and the watch itself.

Pure, frozen values; compared by equality. Times are Swarm's own text (RFC 3339 with nanoseconds): they are carried, not
reckoned with. `version` is Swarm's Version.Index. `revision` counts the events of this object, 0 at its `created`.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

COMMAND_LABEL: Final = "funswarm.command"  # the command that wrote this spec last: a redelivery sees it
TRACE_LABEL: Final = "funswarm.traceparent"  # its W3C trace context, carried on to the events it caused
REDACTED: Final = "[redacted]"  # stands for the value of an environment variable

KINDS: Final = ("service", "task", "node", "engine", "network", "secret", "config")
ENDED_STATES: Final = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})  # of a task
OPTIONAL_KINDS: Final = ("network", "secret", "config")  # watched where FUNSWARM_WATCH names them


class Value(BaseModel):
    """A frozen value that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(Value):
    """A value that Funswarm publishes. Who reads one of a newer Funswarm overlooks the fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class State(Published):
    """What every observed object has."""

    id: str
    name: str
    version: int = Field(ge=0, description="Swarm's Version.Index")
    revision: int = Field(0, ge=0, description="How many events of this object came before this state's own")
    created_at: str = ""
    updated_at: str = ""


class Port(Published):
    """A published port, as it is in effect."""

    target: int
    published: int | None = None
    protocol: str = "tcp"
    mode: str = "ingress"


class UpdateStatus(Published):
    """Swarm's UpdateStatus: how the last rolling update goes."""

    state: str
    message: str = ""
    started_at: str | None = None
    completed_at: str | None = None


class ConditionStatus(StrEnum):
    """How a service does, derived from its state and its tasks'."""

    PROGRESSING = "progressing"
    CONVERGED = "converged"
    STALLED = "stalled"
    DEGRADED = "degraded"
    ROLLED_BACK = "rolled-back"


class Condition(Published):
    """`reason` is Swarm's own text for what is in the way, None where nothing is."""

    status: ConditionStatus = ConditionStatus.PROGRESSING
    reason: str | None = None


class Address(Published):
    """Addresses on one network, in CIDR form as Swarm gives them."""

    network_id: str
    network: str | None = None
    addresses: tuple[str, ...] = ()


class ServiceState(State):
    """A service. `spec` is Swarm's, whole, with the values of environment variables redacted."""

    kind: Literal["service"] = "service"
    mode: Literal["replicated", "global", "replicated-job", "global-job"]
    replicas: int | None = Field(None, description="Replicated: wanted replicas; replicated-job: total completions")
    image: str
    labels: dict[str, str] = {}
    ports: tuple[Port, ...] = ()
    virtual_ips: tuple[Address, ...] = ()
    update_status: UpdateStatus | None = None
    job_iteration: int | None = None
    has_previous_spec: bool = False
    spec: dict[str, Any] = {}
    condition: Condition = Condition()


class TaskState(State):
    """A task. `name` is `<service>.<slot>`, or `<service>.<node id>` for a global service."""

    kind: Literal["task"] = "task"
    service_id: str
    service_name: str
    slot: int | None = None
    node_id: str | None = None
    node_name: str | None = None
    state: str
    desired_state: str
    timestamp: str = Field("", description="When the task entered its state")
    message: str = ""
    error: str | None = None
    exit_code: int | None = None
    container_id: str | None = None
    image: str = ""
    addresses: tuple[Address, ...] = ()
    ports: tuple[Port, ...] = ()
    job_iteration: int | None = None
    force_update: int = 0


class NodeState(State):
    """A node; `name` is its hostname. `engine_labels`: of its engine's configuration.

    `drained`: availability is drain and no task is left running on it.
    """

    kind: Literal["node"] = "node"
    role: Literal["manager", "worker"]
    availability: str
    state: str
    message: str = ""
    address: str = ""
    leader: bool = False
    reachability: str | None = None
    labels: dict[str, str] = {}
    engine_labels: dict[str, str] = {}
    engine_version: str = ""
    os: str = ""
    architecture: str = ""
    cpu_nano: int = 0
    memory_bytes: int = 0
    drained: bool = False


class EngineState(State):
    """The watched engine as the poller reaches it; id `engine`.

    `reason`: why it is not reached, or why its event stream is not open.
    """

    kind: Literal["engine"] = "engine"
    reachable: bool
    stream: Literal["open", "silent", "closed"]
    reason: str | None = None
    engine_version: str = ""
    api_version: str = ""


class NetworkState(State):
    """A network of the Swarm (scope `swarm`)."""

    kind: Literal["network"] = "network"
    driver: str = ""
    attachable: bool = False
    internal: bool = False
    labels: dict[str, str] = {}


class SecretState(State):
    """A secret: its name and labels, never its data."""

    kind: Literal["secret"] = "secret"
    labels: dict[str, str] = {}


class ConfigState(State):
    """A config: its name and labels, never its data."""

    kind: Literal["config"] = "config"
    labels: dict[str, str] = {}


AnyState = Annotated[
    ServiceState | TaskState | NodeState | EngineState | NetworkState | SecretState | ConfigState,
    Field(discriminator="kind"),
]
STATES: Final[TypeAdapter[AnyState]] = TypeAdapter(AnyState)


def event_names(state: AnyState) -> tuple[str, ...]:
    """The last parts of the subject of this object's events: its name; for a task its service's, and slot or node."""
    if isinstance(state, TaskState):
        place = str(state.slot) if state.slot else state.node_name or state.node_id or "none"
        return (state.service_name, place)
    return (state.name,)
