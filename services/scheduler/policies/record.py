"""What is kept in NATS of one service, by name: the policies' memories, and what they sent last. Pure.

One value for all policies of a service, so that whatever one evaluation changes is written at once or not at all.
"""

from datetime import datetime, timedelta
from typing import Any, Final, TypeGuard, TypeVar

from pydantic import ValidationError

from funswarm.commands import RollbackCommand, ScaleCommand
from funswarm.messages import Result, ResultStatus
from funswarm.state import COMMAND_LABEL, ServiceState, Value
from services.scheduler.policies.contract import Hand, M, Policy, Sent, Situation

ENDED_S: Final = 15.0  # after its deadline a command has ended, whether we have heard of it or not
UNSEEN_S: Final = 600.0  # so long the feed may lag behind what was written
OWN_PREFIX: Final = "policy-"

S = TypeVar("S")


class Record(Value):
    """`service_id` empty: there is no service of that name (any more)."""

    service: str
    service_id: str = ""
    memories: dict[str, dict[str, Any]] = {}
    sent: dict[str, Sent] = {}

    @property
    def is_empty(self) -> bool:
        """Nothing worth keeping."""
        return not self.memories and not self.sent

    def memory_of(self, policy: Policy[S, M]) -> M | None:
        """None: it has none, or one of another version of Funswarm."""
        kept = self.memories.get(policy.name)
        if kept is None:
            return None
        try:
            return policy.memory.model_validate(kept)  # type: ignore[return-value]  # its class says so
        except ValidationError:
            return None

    def with_memory(self, policy: str, memory: Value | None) -> "Record":
        """The record with this memory of a policy, None: with none."""
        rest = {name: kept for name, kept in self.memories.items() if name != policy}
        now = rest if memory is None else {**rest, policy: memory.model_dump(mode="json")}
        return self.model_copy(update={"memories": now})

    def of(self, service_id: str, outliving: frozenset[str]) -> "Record":
        """The record for the service of that id: of another one of the same name only the outliving memories stay."""
        if self.service_id == service_id:
            return self
        kept = {name: memory for name, memory in self.memories.items() if name in outliving}
        return Record(service=self.service, service_id=service_id, memories=kept)


def succeeded(result: Result | None) -> TypeGuard[Result]:
    """Whether the command is known to have been done; None: it has not ended, as far as is known."""
    return result is not None and result.status is ResultStatus.SUCCEEDED


def underway(sent: Sent, result: Result | None, now: datetime) -> bool:
    """Whether the command may be waiting to be done still."""
    return result is None and now < sent.until + timedelta(seconds=ENDED_S)


def unseen(result: Result | None, service: ServiceState, now: datetime) -> bool:
    """Whether the command wrote the service, and the feed does not show it yet; a restored Swarm never will."""
    if result is None or not result.changed or result.service_id != service.id or result.written_from is None:
        return False
    return service.version <= result.written_from and now < result.finished_at + timedelta(seconds=UNSEEN_S)


def shows_not_yet(situation: Situation[S, M]) -> bool:
    """Whether the policy's last command may be done still, or is done and not told: what is told is not what will be.

    Else what the service is told to be is what the command has come to, be it nothing.
    """
    sent, result, service = situation.sent, situation.result, situation.service
    if sent is None:
        return False
    return underway(sent, result, situation.now) or (service is not None and unseen(result, service, situation.now))


def hand_of(service: ServiceState, record: Record, results: dict[str, Result]) -> Hand | None:
    """Who else wrote the service after the last command of a policy that did; None: nobody, as far as can be seen."""
    for sent in sorted(record.sent.values(), key=lambda one: one.at, reverse=True):
        result = results.get(sent.command.id)
        if not succeeded(result) or not result.changed:
            continue
        if isinstance(sent.command, RollbackCommand):
            return None  # it brings back the label of whoever wrote what is there again
        label = service.labels.get(COMMAND_LABEL)
        if label is not None and not label.startswith(OWN_PREFIX):
            return Hand(moment(service.updated_at), label)
        other = isinstance(sent.command, ScaleCommand) and service.replicas != sent.command.replicas
        return Hand(moment(service.updated_at), None) if other else None
    return None


def moment(text: str) -> datetime:
    """Swarm's RFC 3339 with nanoseconds, `…Z`, to the microsecond.

    Raises:
        ValueError: it is none.
    """
    whole, dot, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}{dot}{fraction[:6].ljust(6, '0') if dot else ''}+00:00")
