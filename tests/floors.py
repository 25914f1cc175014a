"""A policy for tests, and what it is decided from: `funswarm.floor=N`, at least so many replicas."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from funswarm.changes import Item, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.commands import ScaleCommand
from funswarm.messages import Problem, Result, ResultStatus
from funswarm.state import NodeState, ServiceState, TaskState, Value
from services.scheduler.policies.asked import asked_of
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.evaluate import Case
from services.scheduler.policies.record import Record
from services.scheduler.policies.world import Known

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Memory(Value):
    raised: int = 0
    looked: int = 0


class Floor(Policy[int, Memory]):
    """As many as its label says, at least; it remembers how often it looked, and how often it raised."""

    name = "floor"
    memory = Memory

    def parse(self, service: ServiceState) -> Parsed[int]:
        text = service.labels.get(f"funswarm.{self.name}")
        if text is None:
            return Parsed(None)
        if not text.isdigit():
            problem = Problem(
                source=self.name, service=service.name, label=f"funswarm.{self.name}", value=text, reason="no number"
            )
            return Parsed(None, (problem,))
        return Parsed(int(text))

    def decide(self, situation: Situation[int, Memory]) -> Verdict[Memory]:
        assert situation.service is not None
        assert situation.settings is not None
        before = situation.memory or Memory()
        has = situation.service.replicas or 0
        if has >= situation.settings:
            return Verdict(memory=before)
        ask = Ask(
            ScaleCommand(id=UNNAMED, target=situation.name, replicas=situation.settings),
            memory=before.model_copy(update={"raised": before.raised + 1}),
            direction="up",
        )
        looked = before.model_copy(update={"looked": before.looked + 1})
        return Verdict(memory=looked, ask=ask, said=Said(f"{has} are fewer than {situation.settings}"))

    def yields_s(self, settings: int) -> float:
        return 60.0


class Shelf(Floor):
    """The same under another name, for conflicts."""

    name = "shelf"


def a_world(
    services: Sequence[ServiceState],
    policies: Sequence[Policy[Any, Any]] = (Floor(),),
    tasks: Sequence[TaskState | NodeState] | None = None,
) -> Known:
    """All of these are known; tasks and nodes only where they are given."""
    world = Known(lambda service, draining: asked_of(service, policies, draining=draining))
    world.take(SnapshotBegin())
    for service in services:
        world.take(Snapshotted(service))
    world.take(SnapshotEnd(1))
    items: tuple[Item, ...] = (SnapshotBegin(), *map(Snapshotted, tasks or ()), SnapshotEnd(1))
    told: frozenset[str] | None = None
    while tasks is not None and told != (
        needed := world.need_tasks()
    ):  # the nodes tell of a drain: then all are needed
        told = needed
        for item in items:
            world.take_tasks(item, needed)
    return world


def a_case(
    service: ServiceState,
    policies: Sequence[Policy[Any, Any]] = (Floor(),),
    record: Record | None = None,
    **others: Any,
) -> Case:
    """One evaluation of a service that is there, at noon; `beside`: other services; `tasks`: and nodes."""
    world = a_world([service, *others.pop("beside", ())], policies, others.pop("tasks", None))
    values: dict[str, Any] = {"now": NOW, "record": record or Record(service=service.name), "world": world}
    return Case(**values | {"entry": world.entry(service.name), "policies": policies} | others)


def a_result(command_id: str, **others: Any) -> Result:
    """It succeeded, and changed the service from version 10 on."""
    values: dict[str, Any] = {
        "command_id": command_id, "verb": "scale", "target": "web", "status": ResultStatus.SUCCEEDED, "changed": True,
        "service_id": "service-web", "written_from": 10, "finished_at": NOW,
    }  # fmt: skip
    return Result(**values | others)
