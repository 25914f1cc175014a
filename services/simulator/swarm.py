"""What the parts of the simulated manager share: the store, the agenda, and what each of them still owes.

The parts are modules of functions on a `Swarm`: agent, scheduling, restarts, orchestrator, updates, jobs.
They call downwards only; upwards they `touch` a service, which is then looked at afresh (level-based). No I/O.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from services.simulator.agenda import Agenda, Clock
from services.simulator.model import Json, Service, Task
from services.simulator.store import Store

SlotKey = int | str
"""What a task stands for in its service: its slot; for a global service, its node's ID."""


def slot_key(service: Service, task: Task) -> SlotKey:
    """What the task stands for in its service."""
    return task.node_id if service.mode.startswith("Global") else task.slot


@dataclass(frozen=True, slots=True)
class Settings:
    """How fast the simulated agents are, and how many tasks a slot keeps."""

    start_s: float = 0.03
    """From a task's creation to running, when its image is there."""
    stop_s: float = 0.01
    """From the wish that a task stops to its end."""
    history: int = 5
    """`TaskHistoryRetentionLimit`: tasks kept of each slot, the running one included."""

    @property
    def step_s(self) -> float:
        """One of the seven steps of a start."""
        return self.start_s / 7


@dataclass(frozen=True, slots=True)
class Start:
    """A task that is held at `ready`: until `not_before`, and until the task `replaces` has stopped (or `give_up`)."""

    task_id: str
    not_before: float
    replaces: str | None
    give_up: float


@dataclass(slots=True)
class Attempts:
    """The restarts of one slot under one spec."""

    spec_version: int
    total: int = 0
    times: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Replacement:
    """One slot in the hands of an update: its new task (None: one was there already), and when it is done with."""

    task_id: str | None
    free_at: float | None = None
    stops: list[str] = field(default_factory=list)
    """Tasks to be stopped once the new one runs."""


@dataclass(slots=True)
class Update:
    """One rolling update at work. `updated`: its new tasks by when they came to run (None: not yet)."""

    spec: Json
    config: Json
    rollback: bool
    total: int
    queue: deque[SlotKey]
    working: dict[SlotKey, Replacement] = field(default_factory=dict)
    updated: dict[str, float | None] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    stopped: bool = False
    monitored_until: float | None = None


class Swarm:
    """The manager's state: objects in `store`, all else only in memory, as in SwarmKit's leader."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.agenda = Agenda(clock)
        self.store = Store(self.agenda)
        self.updates: dict[str, Update] = {}
        self.starts: dict[str, Start] = {}
        self.replaced_by: dict[str, str] = {}
        """Task to be stopped -> the task that waits for it."""
        self.attempts: dict[tuple[str, SlotKey], Attempts] = {}
        self.unplaced: dict[str, bool] = {}
        """Pending tasks; true where only a lack of room keeps them so."""
        self.settle: Callable[[dict[str, bool]], None] = lambda _: None
        """Looks at services, by ID, each as a whole or not: set by cluster.py."""
        self.place: Callable[[], None] = lambda: None
        """Gives pending tasks their nodes: set by cluster.py."""
        self._touched: dict[str, bool] = {}
        self._placing = False

    def now(self) -> float:
        """The time in seconds since 1970."""
        return self.agenda.now()

    def touch(self, service_id: str, *, whole: bool = False) -> None:
        """Have a service looked at soon. `whole`: as after a write, not just because a task of it has moved."""
        if not self._touched:
            self.agenda.after(0, self._settle)
        self._touched[service_id] = whole or self._touched.get(service_id, False)

    def place_soon(self) -> None:
        """Have pending tasks looked at soon."""
        if self.unplaced and not self._placing:
            self._placing = True
            self.agenda.after(0, self._place)

    def node_gone(self, node_id: str) -> bool:
        """Whether tasks cannot stay on that node: it is down, drained, or no more."""
        node = self.store.nodes.get(node_id)
        return node is None or node.gone

    def _settle(self) -> None:
        touched, self._touched = self._touched, {}
        self.settle(touched)

    def _place(self) -> None:
        self._placing = False
        self.place()
