"""The values of the simulated Swarm: State, Task, Service, Node and Resource, all frozen, and the errors of its API.

Specs stay plain JSON in the Engine API's words (shared between a service and its tasks, never changed in place): what
matters to clients is their exact shape. Pure.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

Json = dict[str, Any]


class State(IntEnum):
    """A task's state, ordered as SwarmKit's api.TaskState: from `COMPLETE` on, the task has ended."""

    NEW = 0
    PENDING = 64
    ASSIGNED = 192
    ACCEPTED = 256
    PREPARING = 320
    READY = 384
    STARTING = 448
    RUNNING = 512
    COMPLETE = 576
    SHUTDOWN = 640
    FAILED = 704
    REJECTED = 768
    REMOVE = 800
    ORPHANED = 832

    @property
    def word(self) -> str:
        """The Engine API's word for it."""
        return self.name.lower()


class ApiError(Exception):
    """A request that the engine refuses: its HTTP status and its text, as dockerd words it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def not_found(kind: str, reference: str) -> ApiError:
    """The 404 for an object that no ID, name or ID prefix matches."""
    return ApiError(404, f"{kind} {reference} not found")


def invalid(message: str) -> ApiError:
    """The 400 for a spec that SwarmKit's control API refuses (manager/controlapi)."""
    return ApiError(400, f"rpc error: code = InvalidArgument desc = {message}")


def unknown(message: str) -> ApiError:
    """The 500 for an error that SwarmKit gives no code."""
    return ApiError(500, f"rpc error: code = Unknown desc = {message}")


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `spec` is the service's TaskTemplate at its creation; `endpoint` the service's EndpointSpec then."""

    id: str
    service_id: str
    slot: int
    spec: Json
    spec_version: int
    desired: State
    state: State = State.NEW
    node_id: str = ""
    message: str = "created"
    err: str = ""
    at_ns: int = 0
    exit_code: int = 0
    container_id: str = ""
    job_iteration: int | None = None
    endpoint: Json | None = None
    attachments: tuple[Json, ...] = ()
    """`NetworksAttachments`: its networks, with its addresses there."""
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    @property
    def kind(self) -> str:
        """Which table of the store holds it."""
        return "task"

    @property
    def ended(self) -> bool:
        """Whether it will never run again."""
        return self.state > State.RUNNING

    @property
    def wanted(self) -> bool:
        """Whether Swarm still means it to run (for a job: to complete)."""
        return self.desired <= State.COMPLETE

    @property
    def never_ran(self) -> bool:
        """Whether it was given up before a node got it."""
        return self.state < State.ASSIGNED and not self.wanted


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Where a rolling update stands: `state` in the Engine API's words (updating, paused, rollback_started …)."""

    state: str
    message: str
    started_ns: int = 0
    completed_ns: int = 0


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How often a job has been run: `iteration` counts from 0 and moves with every update."""

    iteration: int
    last_execution_ns: int


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `spec_version` tells specs apart without comparing them; it is not comparable with `version`."""

    id: str
    spec: Json
    spec_version: int = 0
    previous_spec: Json | None = None
    previous_spec_version: int = 0
    update_status: UpdateStatus | None = None
    job_status: JobStatus | None = None
    endpoint: Json | None = None
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    @property
    def kind(self) -> str:
        """Which table of the store holds it."""
        return "service"

    @property
    def name(self) -> str:
        """Its name, unique among services."""
        return str(self.spec["Name"])

    @property
    def template(self) -> Json:
        """What its tasks are made from."""
        template: Json = self.spec["TaskTemplate"]
        return template

    @property
    def mode(self) -> str:
        """`Replicated`, `Global`, `ReplicatedJob` or `GlobalJob`."""
        return str(next(iter(self.spec["Mode"])))

    @property
    def update_state(self) -> str:
        """The state of its rolling update; empty when there is none."""
        return self.update_status.state if self.update_status else ""


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `state` is `ready` or `down`; `manager` says what it is, `spec["Role"]` what it shall be."""

    id: str
    hostname: str
    spec: Json
    address: str
    state: str = "ready"
    message: str = ""
    leader: bool = False
    cpu_nano: int = 8_000_000_000
    memory_bytes: int = 32 << 30
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    @property
    def kind(self) -> str:
        """Which table of the store holds it."""
        return "node"

    @property
    def name(self) -> str:
        """What events call it: the spec's name, else its hostname."""
        return str(self.spec.get("Name") or self.hostname)

    @property
    def availability(self) -> str:
        """`active`, `pause` or `drain`."""
        return str(self.spec.get("Availability", "active"))

    @property
    def role(self) -> str:
        """`manager` or `worker`."""
        return str(self.spec.get("Role", "worker"))

    @property
    def gone(self) -> bool:
        """Whether tasks must leave it."""
        return self.state == "down" or self.availability == "drain"


@dataclass(frozen=True, slots=True)
class Resource:
    """A network, secret or config: `table` says which; `spec` is what was posted."""

    table: str
    id: str
    spec: Json
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    @property
    def kind(self) -> str:
        """Which table of the store holds it."""
        return self.table

    @property
    def name(self) -> str:
        """Its name, unique in its table."""
        return str(self.spec["Name"])


Object = Task | Service | Node | Resource
