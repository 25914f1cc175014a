"""The messages on NATS besides commands: events, results, dead letters, answers to queries.

Pure pydantic models, frozen; a question with an unknown field is refused, in what Funswarm publishes it is
overlooked, so that older readers understand newer publishers. Each is described in docs/messages.md, which is generated
from these models. How a command travels: Client -> COMMANDS -> scheduler -> Result in RESULTS.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field, SerializeAsAny

from funswarm.state import AnyState, Condition, NodeState, Port, Published, ServiceState, TaskState, Value

MSG_ID_HEADER: Final = "Nats-Msg-Id"
TRACEPARENT_HEADER: Final = "traceparent"


class Change(Published):
    """One difference between two states; `path` is dotted, e.g. `replicas` or `spec.Mode.Replicated.Replicas`.

    `before` or `after` is null where the path is absent on that side.
    """

    path: str
    before: Any = None
    after: Any = None


class Event(Published):
    """One change of one object.

    `before` is the previous event's `after`, null at `created`; `after` is null at `removed`.
    `id`: `<kind>/<object id>@<version>`, with `/<action>.<revision>` where the version did not move or the object is
    back after its removal, `@removed.<revision>` for a removal.
    `time` is Swarm's, `observed_at` the poller's clock. `command`: the command that wrote this spec, where one did;
    null where Swarm went back to an older one.
    `cut`: too large for NATS. `before` is then null, `changes` is empty, and `after` (as all later states of the
    object) has its lists and maps empty and its texts shortened.
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
    before: SerializeAsAny[AnyState] | None  # without it, finding the kind takes longer than writing
    after: SerializeAsAny[AnyState] | None
    changes: tuple[Change, ...] = ()
    command: str | None = None
    cut: bool = False


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
    UNKNOWN_NODE = "unknown-node"
    UNKNOWN_SCHEDULE = "unknown-schedule"
    UNKNOWN_COMMAND = "unknown-command"
    UNKNOWN_DEAD_LETTER = "unknown-dead-letter"
    UNKNOWN_HOOK = "unknown-hook"
    NAME_TAKEN = "name-taken"
    WRONG_MODE = "wrong-mode"
    ROLLOUT = "rollout-in-progress"
    NO_PREVIOUS_SPEC = "no-previous-spec"
    EXPECTATION = "expectation-failed"
    DEADLINE = "deadline-passed"
    CONFLICT = "conflict"
    ADMISSION = "admission-refused"
    NOT_CONVERGED = "not-converged"
    DEPENDENCY = "dependency-failed"
    FORBIDDEN = "forbidden"
    REFUSED_BY_RECEIVER = "refused-by-receiver"
    ENGINE = "engine-refused"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ConvergenceStatus(StrEnum):
    """`superseded`: a later write of the same service came before this one had settled."""

    PENDING = "pending"
    CONVERGED = "converged"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Convergence(Published):
    """What the Swarm made of a command that was applied. `errors`: of its tasks, in full, as Swarm says them."""

    status: ConvergenceStatus
    reason: str | None = None
    errors: tuple[str, ...] = ()
    at: datetime | None = None


class Placement(Published):
    """How many tasks of the service a node would have; `before`: how many it has now."""

    node: str
    tasks: int
    before: int = 0


class Preview(Published):
    """What a `dry_run` foresees. `reasons`: why not all tasks fit, in Swarm's own words; `refusals`: of admission."""

    restarts_tasks: bool
    fits: bool
    placements: tuple[Placement, ...] = ()
    reasons: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


class BatchItemResult(Published):
    """How one command of a batch ended, in short; it has a result of its own, on `<p>.result.<command_id>`.

    `refused` with the code `dependency-failed`: not begun. `not-converged`: it was applied, and waited for in vain.
    `plan`: with `dry_run` only.
    """

    name: str
    command_id: str
    status: ResultStatus
    code: Code | None = None
    reason: str | None = None
    changed: bool = False
    plan: tuple[Change, ...] = ()


class Result(Published):
    """How a command ended.

    `service_id`, `node_id`: None where there is none. `version`: as read; None right after a write, whose version the
    engine does not tell: it is later than `written_from`, and comes with the convergence. `changed` False: it held
    already. `convergence`: None where there is nothing to wait for; how it ended comes with a second Result on the same
    subject. `preview`: of a `dry_run` only.
    """

    command_id: str
    verb: str
    target: str
    status: ResultStatus
    code: Code | None = None
    reason: str | None = None
    service_id: str | None = None
    service_name: str | None = None
    node_id: str | None = None
    version: int | None = None
    written_from: int | None = None
    changed: bool = False
    warnings: tuple[str, ...] = ()
    plan: tuple[Change, ...] = Field((), description="The changes of the spec: done, or with dry_run only planned")
    preview: Preview | None = None
    convergence: Convergence | None = None
    items: tuple[BatchItemResult, ...] = Field((), description="Of a batch: its commands, in its order")
    digest: str | None = None
    requested_by: str | None = None
    accepted_at: datetime | None = None
    finished_at: datetime


class DeadLetter(Published):
    """A message that could not be done or understood; `body` is the original, text or base64 (`encoding`).

    `redacted`: values that may be secret were taken out of it, so that it cannot be sent again as it is.
    """

    reason: str
    code: Code
    subject: str
    headers: dict[str, str] = {}
    body: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    redacted: bool = False
    at: datetime


class PartHealth(Published):
    """One copy of one part.

    `active`: it holds the lease (the api: always). `data_age_s`: since it last knew all to be so.
    """

    part: Literal["poller", "scheduler", "api", "notifier"]
    instance: str
    version: str
    started_at: datetime
    active: bool
    ok: bool
    reason: str | None = None
    data_age_s: float | None = None
    simulator: bool = False
    engine: str | None = Field(None, description="The engine's version and address, where this part talks to one")


class ServiceSummary(Published):
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


class Problem(Published):
    """A label of a service that is not followed, and why. Other labels of the service are. Or a stuck schedule."""

    source: str = Field(description="Who reads it: `traefik`, `docker-flow`, `autoscale`, `cron` …; or `schedule`")
    service: str = Field(description="Its name; the schedule's")
    label: str | None = Field(None, description="None: not one label, but several that do not go together")
    value: str | None = None
    reason: str = Field(description="What is wrong, and the way out")


class Problems(Published):
    """All that `source` finds wrong with one service now, on `<p>.problem.<source>.<service>`; none: all is well."""

    source: str
    service: str
    told_at: datetime
    problems: tuple[Problem, ...] = ()


class Health(Published):
    """`ok` False comes with `reasons`. `services`: all that Swarm has, by name. `problems` make nothing unhealthy."""

    ok: bool
    reasons: tuple[str, ...] = ()
    cluster: str | None = None
    simulator: bool = False
    parts: tuple[PartHealth, ...] = ()
    services: tuple[ServiceSummary, ...] = ()
    problems: tuple[Problem, ...] = ()


class Query(Value):
    """A question to the poller. None: not asked. Answers come in pages of up to `limit`, from after the id `after`."""

    name: str | None = Field(None, description="A service's, task's or node's name or id, exactly")
    service: str | None = Field(None, description="Tasks of this service, by name or id")
    node: str | None = Field(None, description="Tasks on this node, by name or id")
    after: str | None = None
    limit: int = Field(200, ge=1, le=1000)


class ServicePage(Published):
    """`next`: ask again with `after` set to it; None at the end."""

    items: tuple[ServiceState, ...]
    next: str | None = None


class SummaryPage(Published):
    """The services at a glance; `next` as in `ServicePage`."""

    items: tuple[ServiceSummary, ...]
    cluster: str
    next: str | None = None


class TaskPage(Published):
    """`next` as in `ServicePage`."""

    items: tuple[TaskState, ...]
    next: str | None = None


class NodePage(Published):
    """`next` as in `ServicePage`."""

    items: tuple[NodeState, ...]
    next: str | None = None
