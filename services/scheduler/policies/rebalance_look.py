"""One look at a service that is rebalanced: whether to begin, how a wave goes, and when to take it back. Pure.

A wave: `base` replicas -> `top`, until all of them run and have done so for a while -> `base`. The base is in the
memory before the write, and in a label in the same write: whoever takes over, or finds the label alone, ends at the
base. What goes wrong in a wave ends it there, too; but replicas that somebody else has set are theirs, and stay.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from funswarm.commands import UpdateCommand
from funswarm.spec import REPLICAS_MAX, ServicePatch
from funswarm.state import ServiceState, TaskState
from services.scheduler import waves
from services.scheduler.placement import demand_of
from services.scheduler.policies import surges
from services.scheduler.policies.contract import UNNAMED, Ask, Said, Situation, Verdict
from services.scheduler.policies.rebalance_memory import BASE_LABEL, NOW_LABEL, Memory, Settings, Surge
from services.scheduler.policies.record import moment, shows_not_yet, succeeded
from services.scheduler.raw_service import ROLLING

TURN_S: Final = 5.0
NEXT_S: Final = 1.0  # between two waves
CLAIM: Final = "it moves tasks by a surge"
_FAILED: Final = frozenset({"failed", "rejected"})


class Look:
    """`first`: the service that it has to wait for, None: none. `ends`: its labels ask for it no more.

    `opens`: when a wave may begin.
    """

    def __init__(
        self,
        situation: Situation[Settings, Memory],
        service: ServiceState,
        first: str | None,
        *,
        ends: bool,
        opens: datetime,
    ) -> None:
        self._now = situation.now
        self._situation = situation
        self._service = service
        self._settings = situation.settings or Settings()
        self._memory = situation.memory
        self._first = first
        self._ends = ends
        self._opens = opens
        self._has = service.replicas or 0
        self._is_labelled = BASE_LABEL in service.labels
        self._tasks = surges.wanted(situation.world.tasks_of(service.id))

    def verdict(self) -> Verdict[Memory]:
        """What is to be done now."""
        memory = self._memory
        if memory is not None and memory.surge is not None:
            return self._goes_on(memory, memory.surge)
        if self._is_labelled:
            return self._orphaned(memory)
        return Verdict() if self._ends else self._begin(memory)

    # A wave under way.
    def _goes_on(self, memory: Memory, surge: Surge) -> Verdict[Memory]:
        if shows_not_yet(self._situation):
            return Verdict(memory=memory, claims=CLAIM, again_at=self._now + timedelta(seconds=TURN_S))
        if surge.phase == "left":
            return self._taken_over(memory, surge)
        if surge.phase != "down":
            if self._is_marked(surge):
                return self._up(memory, surge)
            if self._has == surge.base or (surge.phase == "up" and self._was_not_done() and not self._is_labelled):
                return self._not_begun(memory, surge)
            return self._taken_over(memory, surge)
        if self._is_marked(surge):  # the trim did not come through: again
            return self._back(memory, surge, None if memory.since is not None else "the surge is given up")
        return self._down(memory, surge) if self._has == surge.base else self._taken_over(memory, surge)

    def _was_not_done(self) -> bool:
        """Whether our last command, which has ended, was not done as far as we know."""
        sent, result = self._situation.sent, self._situation.result
        return sent is not None and not succeeded(result)

    def _is_marked(self, surge: Surge) -> bool:
        """Whether the service is as the surge left it."""
        return self._has == surge.top and self._service.labels.get(BASE_LABEL) == str(surge.base)

    def _up(self, memory: Memory, surge: Surge) -> Verdict[Memory]:
        if (wrong := self._wrong()) is not None:
            return self._back(memory, surge, wrong)
        runs = sum(task.state == "running" for task in self._tasks) >= surge.top
        if surge.phase == "up" and not runs:
            late = surge.since + timedelta(seconds=self._settings.timeout)
            if self._now >= late:
                return self._back(memory, surge, f"not all {surge.top} tasks run after {self._settings.timeout:g} s")
            return Verdict(memory=memory, claims=CLAIM, again_at=late)
        if surge.phase == "settle" and not runs:
            return self._back(memory, surge, "a task ended before the others were taken away")
        if surge.phase == "up":
            surge = surge.model_copy(update={"phase": "settle", "since": self._now})
            memory = memory.model_copy(update={"surge": surge})
        settled = surge.since + timedelta(seconds=self._settings.settle)
        if self._now < settled:
            return Verdict(memory=memory, claims=CLAIM, again_at=settled)
        return self._back(memory, surge, None)

    def _wrong(self) -> str | None:
        """Why the wave must not go on; None: it may."""
        if self._ends:
            return "its labels do not ask for it any more"
        status = self._service.update_status
        if status is not None and status.state in ROLLING:
            return f"a rollout has begun ({status.state})"
        stuck = next((task for task in self._tasks if _has_no_node(task)), None)
        if stuck is not None:
            return f"a new task has no node: {stuck.error or stuck.message}"
        for task in self._situation.world.tasks_of(self._service.id):
            if task.state in _FAILED and moment(task.created_at) >= moment(self._service.updated_at):
                return f"a new task has {task.state}: {task.error or task.message}"
        return None

    def _back(self, memory: Memory, surge: Surge, wrong: str | None) -> Verdict[Memory]:
        """Back to the base; `wrong`: and no further wave before another node comes."""
        if not surges.safe_to_take_away(self._tasks, surge.base):
            why = "Swarm would take tasks that run, and keep new ones that do not"
            again = self._now + timedelta(seconds=TURN_S)
            said = Said(f"{wrong or 'the surge is over'}: back to {surge.base} replicas", self._inputs(), limiter=why)
            return Verdict(memory=memory, said=said, claims=CLAIM, again_at=again)
        after = surge.model_copy(update={"phase": "down", "since": self._now})
        left = memory.model_copy(update={"surge": after})
        if wrong is not None:
            left = left.model_copy(update={"nodes": self._places(), "since": None})
        reason = (
            f"all {surge.top} tasks run: {surge.top - surge.base} too many on the fullest nodes are taken away"
            if wrong is None
            else f"{wrong}: back to {surge.base} replicas"
        )
        gone = {BASE_LABEL: None} | ({NOW_LABEL: None} if wrong is not None else {})
        return Verdict(
            memory=memory,
            ask=Ask(self._write(surge.base, gone), memory=left, finishes=True),
            said=Said(reason, inputs=self._inputs(), happened=wrong is not None),
            claims=CLAIM,
            again_at=self._now + timedelta(seconds=TURN_S),
        )

    def _down(self, memory: Memory, surge: Surge) -> Verdict[Memory]:
        """Until what was taken away is gone; then the next wave, but first whoever else wants to write has its turn."""
        world = self._situation.world
        late = surge.since + timedelta(seconds=self._settings.timeout)
        if (
            sum(surges.lives(task, world) for task in world.tasks_of(self._service.id)) > surge.base
            and self._now < late
        ):
            return Verdict(memory=memory, claims=CLAIM, again_at=late)
        if self._ends:
            return Verdict()
        uneven = waves.unevenness(surges.loaded_nodes(self._service, world))
        if memory.since is not None and self._not_yet() is None and uneven >= surge.uneven:
            return self._done("the last wave moved nothing: Swarm places its tasks elsewhere")
        return Verdict(memory=memory.model_copy(update={"surge": None}), again_at=self._now + timedelta(seconds=NEXT_S))

    def _not_begun(self, memory: Memory, surge: Surge) -> Verdict[Memory]:
        """The write was refused, or somebody took it back."""
        result, why = self._situation.result, "somebody else took it back"
        left = memory.model_copy(update={"surge": None})
        if self._was_not_done():
            why = "nobody has told what became of it" if result is None else result.reason or result.status.value
        elif result is not None:
            left = left.model_copy(update={"nodes": self._places(), "since": None})
        said = Said(f"the surge to {surge.top} replicas did not come to be: {why}", happened=True)
        return Verdict(memory=left, said=said, again_at=self._now + timedelta(seconds=TURN_S))

    def _taken_over(self, memory: Memory, surge: Surge) -> Verdict[Memory]:
        """Somebody else has set the replicas: they are theirs."""
        marks: dict[str, str | None] = {
            label: None for label in (BASE_LABEL, NOW_LABEL) if label in self._service.labels
        }
        if not marks:
            return Verdict() if self._ends else self._begin(Memory(nodes=self._places()))
        left = memory.model_copy(update={"surge": surge.model_copy(update={"phase": "left"})})
        said = Said(f"somebody else has set {self._has} replicas in the middle of a surge: they stay")
        return Verdict(memory=left, ask=Ask(self._write(None, marks), finishes=True), said=said)

    def _orphaned(self, memory: Memory | None) -> Verdict[Memory]:
        """A base is written on the service, and nothing is remembered of its surge: back to it, but never up."""
        text = self._service.labels[BASE_LABEL]
        base = surges.count_in(text)
        base = self._has if base is None else base
        command = self._write(base if base < self._has else None, {BASE_LABEL: None})
        said = Said(f"a surge was left, of which nothing is remembered: its base was {text}"[:200])
        if base < self._has and not surges.safe_to_take_away(self._tasks, base):
            return Verdict(memory=memory, said=said, claims=CLAIM, again_at=self._now + timedelta(seconds=TURN_S))
        return Verdict(memory=memory, ask=Ask(command, finishes=True), said=said, claims=CLAIM)

    # Whether to begin one.
    def _begin(self, memory: Memory | None) -> Verdict[Memory]:
        places, asked_for = self._places(), NOW_LABEL in self._service.labels
        if memory is None:
            memory = Memory(nodes=places)
        new = set(places) - set(memory.nodes)
        if not new and not asked_for:
            nodes = tuple(node for node in memory.nodes if node in places)  # one that comes back is new
            return Verdict(memory=Memory(nodes=nodes))
        memory = memory.model_copy(update={"since": memory.since or self._now})
        due = (memory.since or self._now) + timedelta(seconds=0.0 if asked_for else self._settings.debounce)
        if self._now < due:
            return Verdict(memory=memory, again_at=due)
        if (why := self._not_yet()) is not None:
            return Verdict(memory=memory, said=Said("it is to be rebalanced", inputs=self._inputs(), limiter=why))
        return self._wave(memory)

    def _not_yet(self) -> str | None:
        status = self._service.update_status
        if status is not None and status.state in ROLLING:
            return f"its rollout is {status.state}"
        running = sum(task.state == "running" for task in self._tasks)
        if running != self._has or len(self._tasks) != self._has:
            return f"{running} of {self._has} tasks run: it waits for the others"
        return None

    def _wave(self, memory: Memory) -> Verdict[Memory]:
        demand = demand_of(self._service.spec)
        nodes = surges.loaded_nodes(self._service, self._situation.world)
        count = min(waves.wave(nodes, demand, self._settings.max_surge), REPLICAS_MAX - self._has)
        if count == 0:
            return self._done("its tasks are spread as evenly as can be")
        if self._now < self._opens and NOW_LABEL not in self._service.labels:
            said = Said("it is to be rebalanced", limiter=f"not before {self._opens:%Y-%m-%d %H:%M %Z}")
            return Verdict(memory=memory, said=said, again_at=self._opens)
        if self._first is not None:
            again = self._now + timedelta(seconds=TURN_S)
            said = Said("it is to be rebalanced", limiter=f"not all at once: {self._first} comes first")
            return Verdict(memory=memory, said=said, again_at=again)
        top = self._has + count
        surge = Surge(base=self._has, top=top, since=self._now, uneven=waves.unevenness(nodes))
        after = memory.model_copy(update={"surge": surge})
        said = Said(
            f"{count} more for a while, which go to the emptiest nodes; then as many of the fullest are taken away",
            inputs=self._inputs(),
            formula=f"min(nodes with the fewest, tasks above them, max-surge {self._settings.max_surge}) = {count}",
        )
        ask = Ask(self._write(top, {BASE_LABEL: str(self._has)}), memory=after)
        return Verdict(memory=memory, ask=ask, said=said)

    def _done(self, reason: str) -> Verdict[Memory]:
        left = Memory(nodes=self._places())
        said = Said(reason, inputs=self._inputs())
        if NOW_LABEL in self._service.labels:
            return Verdict(memory=left, ask=Ask(self._write(None, {NOW_LABEL: None}), finishes=True), said=said)
        return Verdict(memory=left, said=said)

    # Small parts.
    def _places(self) -> tuple[str, ...]:
        nodes = surges.empty_nodes(self._situation.world)
        return tuple(one.node.id for one in waves.places(nodes, demand_of(self._service.spec)))

    def _inputs(self) -> dict[str, object]:
        nodes = surges.loaded_nodes(self._service, self._situation.world)
        return {"tasks": surges.by_node(nodes), "replicas": self._has}

    def _write(self, replicas: int | None, labels: Mapping[str, str | None]) -> UpdateCommand:
        changes = ServicePatch.model_validate({"replicas": replicas, "labels": labels})
        return UpdateCommand(id=UNNAMED, target=self._situation.name, changes=changes)


def _has_no_node(task: TaskState) -> bool:
    return task.state == "pending" and "no suitable node" in f"{task.error or ''} {task.message}"
