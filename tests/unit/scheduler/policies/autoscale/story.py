"""Whole stories of one autoscaled service in the frame, by a clock of their own: what is asked for is done at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from funswarm.commands import ScaleCommand
from funswarm.decisions import Decision
from funswarm.messages import Result, ResultStatus
from funswarm.state import COMMAND_LABEL, NodeState, ServiceState, TaskState
from services.scheduler.policies.autoscale.measures import Measured, Sample, Step, Used
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.settings import Settings
from services.scheduler.policies.contract import Policy
from services.scheduler.policies.evaluate import Plan, evaluate
from services.scheduler.policies.record import Record
from tests.builders import a_node, a_service, a_task
from tests.floors import NOW, a_case, a_result

LONG_AGO = "2026-11-01T08:00:05.000000002Z"


class Given:
    """Gauges that have what a test gives them."""

    def __init__(self) -> None:
        self.measured = Measured()

    def of(self, name: str) -> Measured:
        return self.measured

    def wants(self, name: str, settings: Settings) -> None:
        pass

    async def run(self, touch: Callable[[set[str]], None]) -> None:
        pass


class Story:
    """`labels`: of the service, without `funswarm.autoscale.`; `-` as `_`. `at`: one look at that second."""

    def __init__(self, replicas: int, nodes: int = 1, **labels: str) -> None:
        named = {
            f"funswarm.autoscale.{key.replace('_', '-')}": text for key, text in {"enable": "true", **labels}.items()
        }
        limits = {"Limits": {"NanoCPUs": 1_000_000_000, "MemoryBytes": 1 << 28}}
        spec = {"TaskTemplate": {"Resources": limits}, "Labels": named}
        self.service: ServiceState = a_service(replicas=replicas, labels=named, spec=spec)
        self.gauges, self.now = Given(), NOW
        self._policies: tuple[Policy[Any, Any], ...] = (Autoscale(self.gauges),)
        self._record = Record(service="web")
        self._results: dict[str, Result] = {}
        self.nodes: list[NodeState] = [a_node(f"n{number}") for number in range(nodes)]
        self.tasks: list[TaskState] | None = None  # None: all run, evenly
        self.told: list[Decision] = []
        self.refuses = False  # what is asked for
        self.answers = True  # else what is asked for is neither done nor answered

    def governed_by(self, policy: Policy[Any, Any], **labels: str) -> None:
        """Before autoscale comes another policy, too; `labels`: its own, without `funswarm.`."""
        self._policies = (policy, *self._policies)
        more = {f"funswarm.{key}": text for key, text in labels.items()}
        self.service = self.service.model_copy(update={"labels": {**self.service.labels, **more}})

    # What happens.
    def measures(self, **values: float | str) -> None:
        """These triggers have been read now; words: why one could not be."""
        samples = {
            name: Sample(self.now, failed=value) if isinstance(value, str) else Sample(self.now, value)
            for name, value in values.items()
        }
        self.gauges.measured = replace(self.gauges.measured, samples={**self.gauges.measured.samples, **samples})

    def hears(self, way: Any) -> None:
        """A hook says up or down now."""
        measured = self.gauges.measured
        self.gauges.measured = replace(measured, steps=(*measured.steps, Step(self.now, way)))

    def uses(self, memory_bytes: int = 0, **processors: float) -> None:
        """A task of each of these slots (`_1`) uses so many processors, and each of them so much memory."""
        used = {f"task-web-{name[1:]}": Used(self.now, value, memory_bytes) for name, value in processors.items()}
        self.gauges.measured = replace(self.gauges.measured, used=used)

    def written(self, replicas: int, *, label: str | None = "keep", **others: Any) -> None:
        """Somebody else writes the service: `label` the command's, None: a deploy, that takes the label away."""
        labels = dict(self.service.labels)
        if label is None:
            labels.pop(COMMAND_LABEL, None)
        elif label != "keep":
            labels[COMMAND_LABEL] = label
        updated_at = self.now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        version = self.service.version + 1
        fields = {"replicas": replicas, "labels": labels, "version": version, "updated_at": updated_at, **others}
        self.service = self.service.model_copy(update=fields)

    # What comes of it.
    def at(self, seconds: float, **values: float | str) -> int:
        """How many replicas there are after a look at that second."""
        self.now = NOW + timedelta(seconds=seconds)
        self.measures(**values)
        plan = self._look()
        self._record = plan.record
        self.told += plan.decisions
        if isinstance(plan.command, ScaleCommand) and self.answers:
            if self.refuses:
                refused = a_result(plan.command.id, status=ResultStatus.REFUSED, changed=False, reason="no")
                self._results[plan.command.id] = refused
                return self.service.replicas or 0
            version = self.service.version
            self._results[plan.command.id] = a_result(plan.command.id, written_from=version, finished_at=self.now)
            self.written(plan.command.replicas, label=plan.command.id)
        return self.service.replicas or 0

    def fails_over(self) -> None:
        """Another copy takes over: it has what is kept, and has measured nothing yet."""
        self.gauges.measured = Measured()
        self._record = Record.model_validate_json(self._record.model_dump_json())

    @property
    def limiter(self) -> str:
        return self.told[-1].limiter or ""

    def _look(self) -> Plan:
        tasks = self.tasks if self.tasks is not None else self._all_running()
        states = [*self.nodes, *tasks]
        case = a_case(self.service, self._policies, self._record, tasks=states, now=self.now, results=self._results)
        return evaluate(case)

    def _all_running(self) -> list[TaskState]:
        slots = range(1, (self.service.replicas or 0) + 1)
        return [a_task(slot=slot, node=f"n{slot % len(self.nodes)}", timestamp=LONG_AGO) for slot in slots]
