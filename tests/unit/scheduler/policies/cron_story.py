"""One service with a cron job through time, as the frame goes through it, for tests of the cron policy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from funswarm.commands import RunCommand
from funswarm.cronruns import INPUT, CronOutcome, CronRun
from funswarm.messages import Code, Result, ResultStatus
from funswarm.state import ServiceState, TaskState
from services.scheduler.policies.contract import Ask, Sent, Situation, Verdict
from services.scheduler.policies.cron import Cron
from services.scheduler.policies.cron_memory import Memory, token_of
from tests.builders import a_node, a_service, a_task

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CRON = Cron()


class World:
    """The tasks of the only service, on nodes that are ready unless `down`."""

    def __init__(self, tasks: tuple[TaskState, ...] = (), down: tuple[str, ...] = ()) -> None:
        self.told_at = NOON
        self._tasks = tasks
        self._nodes = {f"node-{name}": a_node(name, state="down") for name in down}

    def service(self, name: str) -> None:
        return None

    def services(self) -> tuple[ServiceState, ...]:
        return ()

    def tasks_of(self, service_id: str) -> tuple[TaskState, ...]:
        return self._tasks

    def nodes(self) -> dict[str, Any]:
        return self._nodes

    def knows_tasks_of(self, service_id: str) -> bool:
        return True


def job(replicas: int | None = 0, token: int = 1, mode: str = "replicated", condition: str = "none", **fields: Any):
    """A service with an every-minute job; `labels`: more of ours, `_` for `-`."""
    more = {f"funswarm.cron.{key.replace('_', '-')}": value for key, value in fields.pop("labels", {}).items()}
    labels = {"funswarm.cron.schedule": "* * * * *", **more}
    template = {"ForceUpdate": token, "RestartPolicy": {"Condition": condition}}
    return a_service("backup", replicas=replicas, mode=mode, labels=labels, spec={"TaskTemplate": template}, **fields)


def task(state: str = "complete", token: int = 1, slot: int | None = 1, **fields: Any) -> TaskState:
    wanted = "running" if state in ("running", "starting") else "shutdown"
    return a_task("backup", slot, state=state, force_update=token, **{"desired_state": wanted, **fields})


class Story:
    """One service through time, as the frame goes through it: what is asked passes, unless `barred`."""

    def __init__(self, service: ServiceState, at: datetime = NOON) -> None:
        self.service, self.now = service, at
        self.memory: Memory | None = None
        self.tasks: tuple[TaskState, ...] = ()
        self.down: tuple[str, ...] = ()
        self.sent: Sent | None = None
        self.result: Result | None = None
        self.look()

    def look(self, at: datetime | None = None, *, barred: bool = False) -> Verdict[Memory]:
        self.now = at or self.now
        settings = CRON.parse(self.service).settings
        situation = Situation(
            self.now,
            "backup",
            self.service,
            settings,
            self.memory,
            World(self.tasks, self.down),
            self.sent,
            self.result,
        )
        verdict = CRON.decide(situation)
        assert verdict == CRON.decide(replace(situation)), "the same situation gives the same verdict"
        self.memory = verdict.memory
        if verdict.ask is not None and not barred:
            self.memory = verdict.ask.memory or verdict.memory
            key, command = verdict.ask.key or "none", verdict.ask.command
            self.sent = Sent(key=key, command=command, at=self.now, until=self.now + timedelta(seconds=60))
            self.result = None
        return verdict

    def run(self, at: datetime, *tasks: TaskState) -> Verdict[Memory]:
        """A run is due, and its write is told of, with tasks."""
        verdict = self.look(at)
        self.apply(*tasks)
        return verdict

    def apply(self, *tasks: TaskState) -> None:
        assert self.sent is not None
        command = self.sent.command
        assert isinstance(command, RunCommand)
        template = {**self.service.spec["TaskTemplate"], "ForceUpdate": command.token}
        update = {"spec": {"TaskTemplate": template}, "replicas": command.replicas, "version": self.service.version + 1}
        if self.service.mode.endswith("job"):
            update["job_iteration"] = (self.service.job_iteration or 0) + 1
        self.service = self.service.model_copy(update=update)
        self.tasks = tasks

    def answer(self, status: ResultStatus, reason: str = "because") -> None:
        assert self.sent is not None
        self.result = Result(
            command_id="c", verb="run", target="backup", status=status, code=Code.ROLLOUT, reason=reason,
            finished_at=self.now,
        )  # fmt: skip


def minute(number: int, second: float = 0) -> datetime:
    return NOON + timedelta(minutes=number, seconds=second)


def token(number: int, attempt: int = 0) -> int:
    return token_of(minute(number), attempt)


def told(verdict: Verdict[Memory]) -> CronRun:
    assert verdict.said is not None
    return CronRun.model_validate(verdict.said.inputs[INPUT])


def asked(verdict: Verdict[Memory]) -> Ask[Memory]:
    assert verdict.ask is not None
    return verdict.ask


def outcome(verdict: Verdict[Memory]) -> CronOutcome:
    return told(verdict).outcome
