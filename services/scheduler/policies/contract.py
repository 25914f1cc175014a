"""What a policy is: labels in, verdicts out. Pure; all else about policies is built around these values.

A policy decides about one service at a time, from a `Situation` and nothing else (no clock, no randomness, no I/O), so
the same situation gives the same verdict on any copy of the scheduler. It never writes: it asks for a command, and the
frame lets it through, or says why not.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from funswarm.commands import Command
from funswarm.messages import Problem, Result
from funswarm.state import NodeState, ServiceState, TaskState, Value

S = TypeVar("S")
M = TypeVar("M", bound=Value)

Direction = Literal["up", "down"]
UNNAMED = "unnamed"  # the id of a command in an `Ask`: the frame names it


class World(Protocol):
    """The Swarm as the feed tells it. `told_at`: when the newest change was seen.

    Of the spec of a service that no policy follows only what its tasks reserve is there. Tasks and nodes are there only
    for policies that say `needs_tasks`; of those tasks that are told, those that have ended too.
    """

    @property
    def told_at(self) -> datetime | None: ...

    def service(self, name: str) -> ServiceState | None: ...

    def services(self) -> Iterable[ServiceState]: ...

    def tasks_of(self, service_id: str) -> tuple[TaskState, ...]: ...

    def nodes(self) -> Mapping[str, NodeState]: ...

    def knows_tasks_of(self, service_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Parsed(Generic[S]):
    """What labels say. `settings` None: they ask for nothing, or the policy must not guess: `problems`."""

    settings: S | None
    problems: tuple[Problem, ...] = ()


class Sent(Value):
    """The last command that a policy asked for; kept before it is sent, so that a successor sends it where we did not.

    `key`: what was decided. `attempt`: so often the same was refused before. `until`: its deadline.
    """

    key: str
    command: Command
    at: datetime
    until: datetime
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody other than a policy wrote the service after the last policy did. `command` None: outside Funswarm."""

    at: datetime
    command: str | None


@dataclass(frozen=True, slots=True)
class Situation(Generic[S, M]):
    """All that a decision is made from.

    `service` None: it was removed, see `Policy.gone`. `settings` None: the labels ask for nothing (any more), see
    `Policy.leave`.
    `sent`, `result`: this policy's last command for the service, and how it ended; None: none, not yet.
    `hand`: who else wrote since. `observed`: what the policy's own `run` has learnt, see `Policy.observed`.
    `stopped`: by a hold, a pause or a dry run, so that nothing that is asked for passes but what `finishes`.
    """

    now: datetime
    name: str
    service: ServiceState | None
    settings: S | None
    memory: M | None
    world: World
    sent: Sent | None = None
    result: Result | None = None
    hand: Hand | None = None
    observed: Any = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """Why, in plain words, for people; `inputs`, `formula` with numbers, `limiter`: what kept it from going further.

    `happened`: something has come to pass, as the end of a run: told each time, however much it resembles the last.
    """

    reason: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    formula: str | None = None
    limiter: str | None = None
    happened: bool = False


@dataclass(frozen=True, slots=True)
class Ask(Generic[M]):
    """A command that is wanted. Its `id`, who asks, its deadline and the version that it expects are the frame's.

    `key`: what is decided; for the same service and key there is one command, whoever decides it and how often (a
    cron's slot). None: one for each version of the service, tried again after a while where it is refused.
    `memory`: kept in place of the verdict's if and only if the command is sent, and before it is.
    `direction`: for `pause=up|down`. `finishes`: it brings to a safe end what this policy began (a trim after a surge):
    hold, pause and dry run let it pass. `in_rollout`: it is for a service whose rollout is under way (a rollback).
    `over_hand`: the user's hand lets it pass: it brings back what another write was not meant to change.
    """

    command: Command
    memory: M | None = None
    key: str | None = None
    direction: Direction | None = None
    finishes: bool = False
    in_rollout: bool = False
    over_hand: bool = False


@dataclass(frozen=True, slots=True)
class Verdict(Generic[M]):
    """What a policy makes of a situation. All empty: nothing to do, nothing to say, nothing to remember.

    `memory`: to be kept, whether the ask passes or not. `said` None: nothing that people want to know; where there is
    an ask it must be there. `claims`: why no policy of lower rank may write the service now, None: it may.
    `again_at`: when to look again, if nothing happens before.
    """

    memory: M | None = None
    ask: Ask[M] | None = None
    said: Said | None = None
    claims: str | None = None
    again_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.ask is not None and self.said is None:
            raise ValueError("an ask without a reason: no decision is made without one")


class Policy(ABC, Generic[S, M]):
    """One policy. Its rank is its place in `registry.POLICIES`.

    `memory`: the type of what it keeps. `needs_tasks`: its services' tasks, and all nodes, must be known;
    `needs_all_tasks`: those of all services. `outlives`: its memory is the
    name's, not the service's: it stays when the service is removed, and `gone` decides then. `while_draining`: it is
    asked only while a node is to be drained gracefully, or a service is in the middle of that.
    """

    name: ClassVar[str]
    memory: ClassVar[type[Value]] = Value
    needs_tasks: ClassVar[bool] = False
    needs_all_tasks: ClassVar[bool] = False
    outlives: ClassVar[bool] = False
    while_draining: ClassVar[bool] = False

    @abstractmethod
    def parse(self, service: ServiceState) -> Parsed[S]:
        """The labels as settings; see `labels.read`. Pure; the keys `dry-run` and `pause` are the frame's.

        Of a service that has no labels but Funswarm's own two it is not asked, unless it is `while_draining`.
        """

    @abstractmethod
    def decide(self, situation: Situation[S, M]) -> Verdict[M]:
        """The verdict. Pure. `situation.settings` is not None here."""

    def leave(self, situation: Situation[S, M]) -> Verdict[M]:  # noqa: ARG002
        """As `decide`, where the labels ask for nothing any more and there is a memory: drop it, or undo first."""
        return Verdict()

    def gone(self, situation: Situation[S, M]) -> Verdict[M]:  # noqa: ARG002
        """As `decide`, where the service was removed and there is a memory; of a policy that `outlives` it only."""
        return Verdict()

    def yields_s(self, settings: S) -> float:  # noqa: ARG002
        """For how long after somebody else's write this policy asks for nothing."""
        return 0.0

    def topics(self, service: ServiceState, settings: S) -> frozenset[str]:  # noqa: ARG002
        """What this service shares with others: when one changes, all with a common topic are looked at, and all that
        have its name as a topic. A name of a service, or a word of the policy's own as `group:shop`.
        """
        return frozenset()

    def observed(self, name: str) -> Any:  # noqa: ARG002
        """What `run` and `done` have learnt for a service, by its name; becomes `Situation.observed`. Quick, no I/O."""
        return None

    def done(self, command: Command, result: Result) -> None:
        """A command, of anybody, has ended; its service is looked at next. Quick, no I/O."""

    async def run(self, touch: Callable[[set[str]], None]) -> None:
        """I/O of its own while the scheduler is active (metrics, requests), until cancelled. `touch`: look at these
        services (names) again. What is raised is logged, and it is run again.
        """
