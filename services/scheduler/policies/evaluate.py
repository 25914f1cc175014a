"""One service, all its policies, one verdict: who decides what, who may write, and why the others may not. Pure.

The conflict rule (docs/decisions/0013): a hold, then the hand of whoever wrote the service, then the policies in the
order of the registry. All of them decide each time, so that their windows and counts go on; of those that ask, the
first is let through. A command that is under way, and one whose effect the feed does not show yet, are waited for.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from funswarm.commands import BatchCommand, Command, CreateCommand, Expect, NodeCommand, ScaleCommand
from funswarm.decisions import Decision, DecisionOutcome
from funswarm.holds import Hold
from funswarm.messages import Result
from funswarm.state import ServiceState
from services.scheduler.policies import bars
from services.scheduler.policies.asked import NOTHING_ASKED
from services.scheduler.policies.bars import Bar, key_of
from services.scheduler.policies.contract import Ask, Policy, Said, Sent, Situation, Verdict
from services.scheduler.policies.record import ENDED_S, OWN_PREFIX, Record, hand_of, underway, unseen
from services.scheduler.policies.world import Entry, Known

DEADLINE_S: Final = 60.0
FAULT_RETRY_S: Final = 60.0

AnyPolicy = Policy[Any, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """All that one evaluation is made from. `entry` None: there is no such service. `results`: by command id."""

    now: datetime
    record: Record
    entry: Entry | None
    world: Known
    policies: Sequence[AnyPolicy]
    holds: tuple[Hold, ...] = ()
    results: Mapping[str, Result] = field(default_factory=dict)

    @property
    def service(self) -> ServiceState | None:
        return None if self.entry is None else self.entry.state


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: keep the record, then send the command, then tell the decisions; look again at `again_at`.

    `policy`: whose command it is; empty where there is none.
    """

    record: Record
    command: Command | None = None
    policy: str = ""
    decisions: tuple[Decision, ...] = ()
    again_at: datetime | None = None


def evaluate(case: Case) -> Plan:
    """What all policies make of one service."""
    return _Evaluation(case).plan()


class _Evaluation:
    """One evaluation, policy by policy."""

    def __init__(self, case: Case) -> None:
        self._case = case
        outliving = frozenset(policy.name for policy in case.policies if policy.outlives)
        service = case.service
        self._record = case.record.of(service.id if service is not None else "", outliving)
        self._hand = None if service is None else hand_of(service, self._record, dict(case.results))
        self._taken: str | None = None  # by whom of higher rank, and why
        self._command: Command | None = None
        self._sender = ""
        self._decisions: list[Decision] = []
        self._wakes: list[datetime] = []

    def plan(self) -> Plan:
        waits = self._waits()
        if waits is not None and waits.until is not None:  # then it has ended, whether anybody tells of it or not
            self._wakes.append(waits.until)
        for policy in self._case.policies:
            self._one(policy, waits)
        wake = min((at for at in self._wakes), default=None)
        return Plan(self._record, self._command, self._sender, tuple(self._decisions), wake)

    def _waits(self) -> Bar | None:
        """A command of a policy that has not ended, or is not to be seen yet: nothing else is begun before."""
        case, service = self._case, self._case.service
        for name, sent in self._record.sent.items():
            result = case.results.get(sent.command.id)
            if underway(sent, result, case.now):
                until = sent.until + timedelta(seconds=ENDED_S)
                return Bar(f"{name} waits for its command {sent.command.id}", until, silent=True)
            if service is not None and unseen(result, service, case.now):
                return Bar(f"the effect of {sent.command.id} is not told yet", silent=True)
        return None

    def _one(self, policy: AnyPolicy, waits: Bar | None) -> None:
        asked = self._case.entry.asked if self._case.entry is not None else None
        settings = asked.settings.get(policy.name) if asked is not None else None
        memory = self._record.memory_of(policy)
        if settings is None and memory is None:
            return
        if settings is not None and policy.needs_tasks and not self._knows_tasks():
            if memory is not None:
                self._taken = self._taken or f"{policy.name} waits until the tasks are known"
            return
        situation = self._situation(policy, settings, memory)
        try:
            verdict = _decided(policy, situation)
            bar = None if verdict.ask is None else waits or self._bar(policy, verdict.ask, situation)
        except Exception as fault:  # noqa: BLE001  whatever it is, the other policies go on
            self._fault(policy, fault)
            return
        self._apply(policy, situation, verdict, bar)

    def _knows_tasks(self) -> bool:
        """Of a service that is followed only now they are told a little later."""
        return self._case.service is not None and self._case.world.knows_tasks_of(self._case.service.id)

    def _situation(self, policy: AnyPolicy, settings: Any, memory: Any) -> Situation[Any, Any]:
        sent, service = self._record.sent.get(policy.name), self._case.service
        asked = self._case.entry.asked if self._case.entry is not None else NOTHING_ASKED
        return Situation(
            now=self._case.now,
            name=self._record.service,
            service=service,
            settings=settings,
            memory=memory,
            world=self._case.world,
            sent=sent,
            result=None if sent is None else self._case.results.get(sent.command.id),
            hand=self._hand,
            observed=policy.observed(self._record.service),
            stopped=bars.stopped(policy.name, self._case.holds, asked, self._case.now),
        )

    def _bar(self, policy: AnyPolicy, ask: Ask[Any], situation: Situation[Any, Any]) -> Bar | None:
        """Why the ask must not pass, in the order of the conflict rule; None: it passes."""
        asked = self._case.entry.asked if self._case.entry is not None else NOTHING_ASKED
        return (
            (None if ask.finishes else bars.held(policy.name, self._case.holds, self._case.now))
            or (None if ask.finishes else bars.paused(policy.name, ask, asked))
            or (None if ask.over_hand else bars.left_to_hand(policy, situation))
            or (Bar(self._taken) if self._taken is not None else None)
            or bars.rolling(ask, situation.service)
            or bars.done_before(policy.name, ask, situation)
            or (None if ask.finishes else bars.dry_run(policy.name, asked))
        )

    # What becomes of a verdict.
    def _apply(self, policy: AnyPolicy, situation: Situation[Any, Any], verdict: Verdict[Any], bar: Bar | None) -> None:
        if verdict.again_at is not None:
            self._wakes.append(max(verdict.again_at, self._case.now))
        if bar is not None and bar.until is not None:
            self._wakes.append(bar.until)
        command = None
        memory = verdict.memory
        if verdict.ask is not None and bar is None:
            command = self._send(policy, verdict.ask, situation)
            memory = verdict.ask.memory if verdict.ask.memory is not None else memory
        if memory is None or memory != situation.memory:  # what stays as it was need not be made anew
            self._record = self._record.with_memory(policy.name, memory)
        if verdict.said is not None and not (bar is not None and bar.silent):
            self._say(policy, verdict.said, verdict.ask, command, bar)
        if self._taken is None and (verdict.claims is not None or (command is not None)):
            self._taken = f"{policy.name} has it: {verdict.claims or 'it is writing it'}"

    def _send(self, policy: AnyPolicy, ask: Ask[Any], situation: Situation[Any, Any]) -> Command:
        key, sent, now = key_of(ask, situation.service), situation.sent, self._case.now
        attempt = sent.attempt + 1 if sent is not None and sent.key == key else 0
        identity = self._record.service_id or f"name {self._record.service}"
        before = sent.command.id if sent is not None and ask.key is None else "0"  # the same again is another command
        command = _named(ask.command, policy.name, f"{identity}|{key}|{before}", situation.service, now)
        self._command, self._sender = command, policy.name
        mark = Sent(key=key, command=command, at=now, until=command.deadline or now, attempt=attempt)
        self._record = self._record.model_copy(update={"sent": {**self._record.sent, policy.name: mark}})
        return command

    def _say(
        self, policy: AnyPolicy, said: Said, ask: Ask[Any] | None, command: Command | None, bar: Bar | None
    ) -> None:
        service = self._case.service
        wanted = ask.command if ask is not None else None
        outcome = DecisionOutcome.HAPPENED if said.happened else DecisionOutcome.NOTHING
        if ask is not None:
            outcome = DecisionOutcome.COMMANDED if bar is None else DecisionOutcome.BLOCKED
            outcome = DecisionOutcome.DRY_RUN if bar is not None and bar.dry else outcome
        self._decisions.append(
            Decision(
                id=command.id if command is not None else self._decision_id(policy),
                time=self._case.now,
                policy=policy.name,
                service=self._record.service,
                service_id=self._record.service_id or None,
                outcome=outcome,
                reason=said.reason,
                verb=wanted.verb if wanted is not None else None,
                before=service.replicas if service is not None else None,
                after=wanted.replicas if isinstance(wanted, ScaleCommand) else None,
                command_id=command.id if command is not None else None,
                inputs=dict(said.inputs),
                formula=said.formula,
                limiter=bar.reason if bar is not None else said.limiter,
            )
        )

    def _fault(self, policy: AnyPolicy, fault: Exception) -> None:
        """The policy's memory stays as it is, and nobody of lower rank writes what it may be in the middle of."""
        self._wakes.append(self._case.now + timedelta(seconds=FAULT_RETRY_S))
        self._taken = self._taken or f"{policy.name} failed"
        said = Said(f"a fault in Funswarm itself: {fault!r}"[:1000])
        self._say(policy, said, None, None, None)
        self._decisions[-1] = self._decisions[-1].model_copy(update={"outcome": DecisionOutcome.FAILED})

    def _decision_id(self, policy: AnyPolicy) -> str:
        return _hashed(f"{policy.name}|{self._record.service}|{self._case.now.isoformat()}")


def _decided(policy: AnyPolicy, situation: Situation[Any, Any]) -> Verdict[Any]:
    if situation.service is None:
        return policy.gone(situation)
    return policy.leave(situation) if situation.settings is None else policy.decide(situation)


def _named(command: Command, policy: str, identity: str, service: ServiceState | None, now: datetime) -> Command:
    """The command as it is sent: the same decision gives the same id, wherever and however often it is made."""
    fields: dict[str, Any] = {
        "id": OWN_PREFIX + _hashed(f"{policy}|{identity}"),
        "requested_by": f"policy/{policy}",
        "deadline": command.deadline or now + timedelta(seconds=DEADLINE_S),
    }
    of_service = not isinstance(command, BatchCommand | NodeCommand | CreateCommand)
    if of_service and command.expect == Expect() and service is not None and command.target == service.name:
        fields["expect"] = Expect(version=service.version)
    return command.model_copy(update=fields)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
