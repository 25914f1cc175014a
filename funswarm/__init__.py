"""Funswarm: a durable feed of a Docker Swarm's changes on NATS, and commands that are applied exactly once."""

from funswarm.changes import Changed, Changes, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.client import Client
from funswarm.commands import BatchItem, Expect
from funswarm.decisions import Decision, DecisionOutcome
from funswarm.errors import (
    Failed,
    FunswarmError,
    InvalidRequest,
    PermanentError,
    Refused,
    Relist,
    TemporaryError,
    Unavailable,
    UnknownCommand,
    UnknownDeadLetter,
    UnknownNode,
    UnknownObject,
    UnknownSchedule,
    VersionConflict,
)
from funswarm.gauges import Push
from funswarm.holds import Hold
from funswarm.how import How
from funswarm.messages import (
    Change,
    Code,
    Convergence,
    ConvergenceStatus,
    Event,
    Health,
    PartHealth,
    Result,
    ResultStatus,
    ServiceSummary,
)
from funswarm.outcome import Accepted, check
from funswarm.schedules import Cancelled, Schedule, Scheduled
from funswarm.sessions import Session
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.state import Condition, ConditionStatus, NodeState, ServiceState, TaskState
from funswarm.subjects import Subjects

__all__ = [
    "Accepted",
    "BatchItem",
    "Cancelled",
    "Change",
    "Changed",
    "Changes",
    "Client",
    "Code",
    "Condition",
    "ConditionStatus",
    "Convergence",
    "ConvergenceStatus",
    "Decision",
    "DecisionOutcome",
    "Event",
    "Expect",
    "Failed",
    "FunswarmError",
    "Health",
    "Hold",
    "How",
    "InvalidRequest",
    "NodeState",
    "PartHealth",
    "PermanentError",
    "Push",
    "Refused",
    "Relist",
    "Relisted",
    "Result",
    "ResultStatus",
    "Schedule",
    "Scheduled",
    "ServicePatch",
    "ServiceSpec",
    "ServiceState",
    "ServiceSummary",
    "Session",
    "SnapshotBegin",
    "SnapshotEnd",
    "Snapshotted",
    "Subjects",
    "TaskState",
    "TemporaryError",
    "Unavailable",
    "UnknownCommand",
    "UnknownDeadLetter",
    "UnknownNode",
    "UnknownObject",
    "UnknownSchedule",
    "VersionConflict",
    "check",
]
