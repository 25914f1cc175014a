"""The drain policy: a node is drained only when as many tasks of each service run elsewhere. Pure.

The command pauses the node and marks it by a label. Each service with tasks there is surged by as many, which go to
other nodes; when all of them run, the node is drained, and each service goes back to its base once its tasks are gone
from there. To activate the node ends it, and a service that does not come to run elsewhere in time has it activated.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from funswarm.commands import ActivateCommand, Command, DrainCommand, Expect, UpdateCommand
from funswarm.spec import REPLICAS_MAX, ServicePatch
from funswarm.state import ServiceState
from services.scheduler.policies import drain_nodes, surges
from services.scheduler.policies.contract import UNNAMED, Ask, Parsed, Policy, Said, Situation, Verdict
from services.scheduler.policies.drain_memory import BASE_LABEL, NAME, Memory, Settings
from services.scheduler.policies.labels import read
from services.scheduler.policies.rebalance_memory import BASE_LABEL as REBALANCE_BASE_LABEL
from services.scheduler.policies.record import moment, shows_not_yet

LOOK_S: Final = 1.0
CLAIM: Final = "its tasks are moved from a node that is to be drained"


class Drain(Policy[Settings, Memory]):
    """`funswarm.drain=false`: a drain does not wait for it; `funswarm.drain.timeout`.

    All services are asked: one that a drain does not wait for may still be the one that says that the node is drained.
    """

    name = NAME
    memory = Memory
    needs_tasks = True
    while_draining = True

    def parse(self, service: ServiceState) -> Parsed[Settings]:
        labels = {key: value for key, value in service.labels.items() if key != BASE_LABEL}
        on = service.model_copy(update={"labels": {f"funswarm.{NAME}": "true"} | labels})
        parsed = read(Settings, NAME, on)
        return Parsed(parsed.settings or Settings(), parsed.problems)

    def decide(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        assert situation.service is not None
        return _Look(situation, situation.service).verdict()

    def leave(self, situation: Situation[Settings, Memory]) -> Verdict[Memory]:
        if not situation.world.nodes():  # not known yet, whether there is a drain
            return Verdict(memory=situation.memory, again_at=situation.now + timedelta(seconds=LOOK_S))
        return Verdict()


class _Look:
    """One look at one service, while a node is drained."""

    def __init__(self, situation: Situation[Settings, Memory], service: ServiceState) -> None:
        self._situation = situation
        self._service = service
        self._world = situation.world
        self._settings = situation.settings or Settings()
        self._now = situation.now
        self._has = service.replicas or 0
        self._marked = drain_nodes.marked(situation.world)
        self._tasks = surges.wanted(situation.world.tasks_of(service.id))
        self._soon = situation.now + timedelta(seconds=LOOK_S)

    def verdict(self) -> Verdict[Memory]:
        memory = self._situation.memory
        if not self._world.knows_tasks_of(self._service.id) or self._waits():
            return Verdict(memory=memory, claims=CLAIM if memory else None, again_at=self._soon)
        if memory is not None and memory.more is not None:
            memory = memory.more if self._has == memory.more.top else memory.model_copy(update={"more": None})
        base = surges.count_in(self._service.labels.get(BASE_LABEL))
        if memory is None and base is not None and self._has >= base:  # surged, and nothing is remembered of it
            memory = Memory(base=base, top=self._has, nodes=tuple(sorted(self._marked)), since=self._now)
        is_surged = memory is not None and base == memory.base and self._has == memory.top
        if memory is not None and is_surged:
            return self._surged(memory)
        return self._begin(memory)  # not surged (any more): what somebody else has written is what counts

    def _waits(self) -> bool:
        """Whether our last write of the service may be done yet, or is not told yet."""
        sent = self._situation.sent
        return sent is not None and isinstance(sent.command, UpdateCommand) and shows_not_yet(self._situation)

    # Whether to surge.
    def _begin(self, memory: Memory | None) -> Verdict[Memory]:
        here = len(drain_nodes.on(self._tasks, self._marked))
        if here and self._has and drain_nodes.concerns(self._service):
            if self._is_late(moment(min(node.updated_at for node in self._marked.values()))):
                return self._give_up(memory, "its tasks there could not be doubled elsewhere")
            if REBALANCE_BASE_LABEL in self._service.labels:
                said = Said("its node is to be drained", limiter="it is in the middle of a rebalance")
                return Verdict(memory=memory, said=said, again_at=self._soon)
            top = min(self._has + here, REPLICAS_MAX)
            surged = Memory(base=self._has, top=top, nodes=tuple(sorted(self._marked)), since=self._now)
            names = ", ".join(sorted(node.name for node in self._marked.values()))
            said = Said(f"{names} is to be drained, with {here} of its tasks: as many more run elsewhere before")
            ask = Ask(self._write(top, str(self._has)), memory=surged)
            return Verdict(memory=memory, ask=ask, said=said, again_at=self._soon)
        if BASE_LABEL in self._service.labels:
            said = Said(f"somebody else has set {self._has} replicas in the middle of a drain: they stay")
            left: Ask[Memory] = Ask(self._write(None, None), finishes=True)
            return Verdict(memory=memory, ask=left, said=said, again_at=self._soon)
        return self._spoken(None)

    # Once it is surged.
    def _surged(self, memory: Memory) -> Verdict[Memory]:
        if not drain_nodes.concerns(self._service):
            return self._back(memory, "a drain does not wait for it any more")
        nodes = self._world.nodes()
        still = [node_id for node_id in memory.nodes if node_id in self._marked]
        if not still:
            active = [
                node_id for node_id in memory.nodes if (node := nodes.get(node_id)) and node.availability != "drain"
            ]
            tasks = self._world.tasks_of(self._service.id)
            gone = {*memory.nodes, *(node.id for node in nodes.values() if node.availability == "drain")}
            alive = [task for task in drain_nodes.on(tasks, gone) if surges.lives(task, self._world)]
            if active:
                return self._back(memory, "the drain was ended")
            if alive:
                return Verdict(memory=memory, claims=CLAIM, again_at=self._soon)
            return self._back(memory, "the node is drained")
        more = [task for task in drain_nodes.on(self._tasks, self._marked) if task.node_id not in memory.nodes]
        if more and memory.top < REPLICAS_MAX:  # another node is to be drained, too
            top = min(memory.top + len(more), REPLICAS_MAX)
            nodes_now = tuple(sorted({*memory.nodes, *self._marked}))
            more_of_it = memory.model_copy(update={"top": top, "nodes": nodes_now, "since": self._now})
            after = memory.model_copy(update={"more": more_of_it})
            said = Said(f"another node is to be drained, with {len(more)} of its tasks")
            return Verdict(
                memory=memory, ask=Ask(self._write(top, str(memory.base)), memory=after), said=said, claims=CLAIM
            )
        if drain_nodes.lacks(self._service, memory.base, self._world, self._marked):
            return self._lacking(memory)
        return self._spoken(memory)

    def _lacking(self, memory: Memory) -> Verdict[Memory]:
        """Not enough of its tasks run elsewhere yet."""
        runs = drain_nodes.running_elsewhere(self._service, self._world, self._marked)
        error = next((f": {task.error}" for task in self._tasks if task.state != "running" and task.error), "")
        lacks = f"only {runs} of {memory.base} tasks run elsewhere{error}"
        if self._is_late(memory.since):
            return self._give_up(memory, lacks)
        spoken = self._spoken(memory)
        return spoken if spoken.ask else replace(spoken, said=Said("its node is to be drained", limiter=lacks))

    def _back(self, memory: Memory, why: str) -> Verdict[Memory]:
        if not surges.safe_to_take_away(self._tasks, memory.base):
            limiter = "Swarm would take tasks that run, and keep new ones that do not"
            said = Said(f"{why}: back to {memory.base} replicas", limiter=limiter)
            return Verdict(memory=memory, said=said, claims=CLAIM, again_at=self._soon)
        ask = Ask(self._write(memory.base, None), memory=memory.model_copy(update={"phase": "over"}), finishes=True)
        said = Said(f"{why}: back to {memory.base} replicas")
        return Verdict(memory=memory, ask=ask, said=said, claims=CLAIM, again_at=self._soon)

    # What is done with nodes.
    def _is_late(self, since: datetime) -> bool:
        return self._now >= since + timedelta(seconds=self._settings.timeout)

    def _give_up(self, memory: Memory | None, why: str) -> Verdict[Memory]:
        here = [task.node_id for task in drain_nodes.on(self._tasks, self._marked)]
        node = self._marked[min([one for one in here if one] or self._marked)]
        command = ActivateCommand(id=UNNAMED, target=node.id, expect=Expect(version=node.version))
        late = f"after {self._settings.timeout:g} s {why}"
        text = f"the drain of {node.name} is given up, and the node gets tasks again: {late}"
        said = Said(text, happened=True)
        return Verdict(memory=memory, ask=_of_node(command), said=said, claims=CLAIM, again_at=self._soon)

    def _spoken(self, memory: Memory | None) -> Verdict[Memory]:
        """Drain a node that nothing holds back, if it is this service's turn to say so."""
        claims, speaks = CLAIM if memory else None, drain_nodes.is_speaker(self._world, self._situation.name)
        again = self._soon if self._marked and (speaks or memory) else None
        if speaks:
            for node_id, node in sorted(self._marked.items()):
                if not drain_nodes.holds_back(self._world, node_id):
                    command = DrainCommand(id=UNNAMED, target=node.id, expect=Expect(version=node.version))
                    said = Said(f"{node.name} is drained: no service has fewer tasks without it", happened=True)
                    return Verdict(memory=memory, ask=_of_node(command), said=said, claims=claims, again_at=again)
        return Verdict(memory=memory, claims=claims, again_at=again)

    def _write(self, replicas: int | None, base: str | None) -> UpdateCommand:
        changes: dict[str, Any] = {"replicas": replicas, "labels": {BASE_LABEL: base}}
        return UpdateCommand(id=UNNAMED, target=self._situation.name, changes=ServicePatch.model_validate(changes))


def _of_node(command: Command) -> Ask[Memory]:
    return Ask(command, finishes=True, in_rollout=True)
