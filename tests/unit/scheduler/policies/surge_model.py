"""A small model of SwarmKit under a policy: where it puts new tasks, and which it takes away. On a clock of its own.

Each step is one look of the frame at the service; a crash comes before the memory is kept, or before, or after the
command is sent, and loses what is not in the memory. Where Swarm does not say which task goes, a running one goes.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from funswarm.commands import Command, DrainCommand, NodeCommand, ScaleCommand, UpdateCommand
from funswarm.holds import Hold
from funswarm.messages import Result, ResultStatus
from funswarm.state import COMMAND_LABEL, NodeState, ServiceState, TaskState
from services.scheduler.facts import Amounts, TaskFacts
from services.scheduler.foresee import in_order_of_keeping
from services.scheduler.merge import by_key
from services.scheduler.placement import demand_of, spread
from services.scheduler.plan_node import AVAILABILITY, DRAIN_LABEL
from services.scheduler.policies import surges
from services.scheduler.policies.contract import Policy
from services.scheduler.policies.evaluate import Case, evaluate
from services.scheduler.policies.record import Record
from services.scheduler.policies.world import Known
from tests.builders import a_node, a_service, a_task
from tests.floors import NOW, a_result, a_world

Crash = Literal["", "before keeping", "before sending", "after sending"]
CRASHES: Final[tuple[Crash, ...]] = ("before keeping", "before sending", "after sending")
OF_COMMANDS: Final = ("away", "race", "loss")
LOOK: Final = timedelta(seconds=10)  # from one to the next
EVENTS: Final = (
    *CRASHES,
    *OF_COMMANDS,
    "hand",
    "rollout",
    "rolled out",
    "hold",
    "release",
    "stuck",
    "restarting",
    "start",
)


class Model:
    """One service `web`. `least`: the lowest number of its tasks that ran at any time. `harmed`: by how many a policy's
    write let fewer run than before, where these were not more than the base; each time that it did.

    `beside`: policies of lower rank; `labels`: more of the service.
    """

    def __init__(
        self,
        policy: Callable[[], Policy[Any, Any]],
        counts: dict[str, int],
        nodes: list[NodeState],
        beside: tuple[Policy[Any, Any], ...] = (),
        **labels: str,
    ) -> None:
        self._make = policy
        self._policy = policy()
        self._beside = beside
        self.nodes = nodes
        self.now = NOW
        self.starts = True  # new tasks come to run
        self.desired = "running"  # of new ones; `ready`: they failed, and are to be started again after a delay
        self.works = True  # the engine does what it is told
        self.races = False  # Swarm's own write comes before the next command for the service
        self.loses = False  # the next command is neither done nor answered
        self._lost: set[str] = set()  # ids
        self.holds: tuple[Hold, ...] = ()
        self.tasks: dict[int, TaskState] = {}
        for node, count in counts.items():
            for _ in range(count):
                self._add(node)
        labels = {f"funswarm.{self._policy.name}": "true"} | labels
        self.service = a_service(replicas=len(self.tasks), labels=labels)
        self.record = Record(service="web")
        self.results: dict[str, Result] = {}
        self.least = len(self.tasks)
        self.most = len(self.tasks)
        self.harmed: list[int] = []
        self.wanted = len(self.tasks)  # as many replicas as people have asked for
        self.reasons: list[str] = []
        self.limiters: list[str] = []
        self.rests = False  # the last look changed nothing, and asked for no other

    def counts(self) -> Counter[str]:
        """By node."""
        return Counter(task.node_name or "" for task in self.tasks.values())

    def step(self, crash: Crash = "") -> None:
        """One look."""
        self.now += LOOK
        for sent in self.record.sent.values():  # who takes over sends it again
            if sent.command.id not in self.results:
                self._do(sent.command)
        plan = evaluate(self._case())
        self.rests = (None, None, self.record) == (plan.command, plan.again_at, plan.record)
        self.reasons += [decision.reason for decision in plan.decisions]
        self.limiters += [decision.limiter for decision in plan.decisions if decision.limiter]
        if crash:
            self._policy = self._make()
        if crash == "before keeping":
            return
        self.record = plan.record
        if plan.command is not None and crash != "before sending":
            self._do(plan.command)

    def run(self, steps: int) -> None:
        """So many looks; at rest only their time passes, for the frame looks again when something happens."""
        for number in range(1, steps + 1):
            self.step()
            if self.rests:
                self.now += (steps - number) * LOOK
                return

    def start(self) -> None:
        """All tasks come to run."""
        self.starts, self.desired = True, "running"
        for slot, task in self.tasks.items():
            self.tasks[slot] = task.model_copy(update={"state": "running", "desired_state": "running"})

    def write(self, **fields: Any) -> None:
        """Somebody else writes the service."""
        self.wanted = fields.get("replicas", self.wanted)
        self._put(fields, self.service.version + 1)

    def happens(self, event: str) -> None:
        """One of EVENTS."""
        match event:
            case "hand":
                self.write(replicas=self.wanted + 20)
            case "rollout" | "rolled out":
                self.write(update_status={"state": "updating"} if event == "rollout" else None)
            case "hold" | "release":
                held = Hold(service="web", until=NOW + timedelta(days=1))
                self.holds = (held,) if event == "hold" else ()
            case "stuck" | "restarting":
                self.starts, self.desired = False, "ready" if event == "restarting" else "running"
            case "start":
                self.start()
            case "away":
                self.works = not self.works
            case "race":
                self.races = True
            case "loss":
                self.loses = True
            case _:
                self.step(next((crash for crash in CRASHES if crash == event), ""))

    def calms_down(self) -> None:
        """Nothing keeps policies from their work any more."""
        self.works, self.races, self.loses, self.holds = True, False, False, ()
        self.write(update_status=None)
        self.start()

    @property
    def running(self) -> int:
        return sum(task.state == "running" for task in self.tasks.values())

    @property
    def labels(self) -> dict[str, str]:
        """Of the service, without that of whoever wrote it last."""
        return {key: value for key, value in self.service.labels.items() if key != COMMAND_LABEL}

    def die(self, name: str) -> None:
        """The node is gone, and its tasks begin elsewhere. What ran there is lost: `least` begins anew."""
        self.nodes = [node if node.name != name else a_node(name, state="down", **_kept(node)) for node in self.nodes]
        self.tasks = {slot: task for slot, task in self.tasks.items() if task.node_name != name}
        self._orchestrate(self.service.replicas or 0)
        self.least = self.running

    def _case(self) -> Case:
        world = self.world()
        return Case(
            now=self.now, record=self.record, entry=world.entry("web"), world=world,
            policies=(self._policy, *self._beside), results=self.results, holds=self.holds,
        )  # fmt: skip

    def world(self) -> Known:
        return a_world([self.service], (self._policy, *self._beside), [*self.nodes, *self.tasks.values()])

    def _do(self, command: Command) -> None:
        if command.id in self.results or command.id in self._lost:
            return
        if self.loses:
            self.loses = False
            self._lost.add(command.id)
            return
        if self.races and not isinstance(command, NodeCommand):
            self.races = False
            self._put({}, self.service.version + 1)
        base: dict[str, Any] = {"verb": command.verb, "written_from": self.service.version}
        if not self.works:
            failed = {"status": ResultStatus.FAILED, "changed": False, "reason": "the engine is away"}
            self.results[command.id] = a_result(command.id, **base | failed)
            return
        if command.expect.version not in (None, self.service.version) and not isinstance(command, NodeCommand):
            refused = {"status": ResultStatus.REFUSED, "changed": False, "reason": "expected another version"}
            self.results[command.id] = a_result(command.id, **base | refused)
            return
        if isinstance(command, NodeCommand):
            base["service_id"] = None
        self.results[command.id] = a_result(command.id, **base)
        running = self.running
        if isinstance(command, NodeCommand):
            self._write_node(command)
        elif isinstance(command, ScaleCommand):
            labels = self.service.labels | {COMMAND_LABEL: command.id}
            self._put({"replicas": command.replicas, "labels": labels}, self.service.version + 1)
        else:
            assert isinstance(command, UpdateCommand)
            labels = by_key(self.service.labels, (command.changes.labels or {}) | {COMMAND_LABEL: command.id})
            replicas = command.changes.replicas
            fields = {"labels": labels} | ({"replicas": replicas} if replicas is not None else {})
            self._put(fields, self.service.version + 1)
        if self.running < min(running, surges.unsurged(self.service).replicas or 0):
            self.harmed.append(running - self.running)

    def _write_node(self, command: NodeCommand) -> None:
        """As plan_node does; Swarm moves the tasks of a drained node only once they have ended there."""
        number = next(at for at, node in enumerate(self.nodes) if command.target in (node.id, node.name))
        node, graceful = self.nodes[number], isinstance(command, DrainCommand) and command.graceful
        availability = "pause" if graceful else AVAILABILITY[command.verb]
        labels = by_key(node.labels, {DRAIN_LABEL: command.id if graceful else None})
        update = {"availability": availability, "labels": labels, "version": node.version + 1}
        update["updated_at"] = self._time()
        self.nodes[number] = node.model_copy(update=update)
        if availability == "drain":
            self.tasks = {slot: task for slot, task in self.tasks.items() if task.node_id != node.id}
            self._orchestrate(self.service.replicas or 0)

    def node(self, command: NodeCommand) -> None:
        """Somebody's command for a node."""
        self._write_node(command)

    def _put(self, fields: dict[str, Any], version: int) -> None:
        fields = fields | {"version": version, "updated_at": self._time()}
        self.service = ServiceState.model_validate(self.service.model_dump() | fields)
        self._orchestrate(self.service.replicas or 0)

    def _orchestrate(self, replicas: int) -> None:
        kept = self._order_of_keeping() + [slot for slot, task in self.tasks.items() if not task.node_id]
        for slot in kept[replicas:]:
            del self.tasks[slot]
        self.least = min(self.least, self.running)
        nodes = surges.loaded_nodes(self.service, self.world())
        before = {one.node.name: one.of_service for one in nodes}
        spread(nodes, demand_of(self.service.spec), replicas - len(self.tasks))
        for one in nodes:
            for _ in range(one.of_service - before[one.node.name]):
                self._add(one.node.name)
        self.most = max(self.most, len(self.tasks))

    def _order_of_keeping(self) -> list[int]:
        """By slots; Go's sort leaves only few in their order where they are equal."""
        order = in_order_of_keeping([_facts(slot, task) for slot, task in self.tasks.items() if task.node_id])
        if len(self.tasks) <= 6:
            return [task.slot for task in order]
        copies: Counter[str] = Counter()
        ranks = {}
        for task in order:
            copies[task.node_id] += 1
            ranks[task.slot] = copies[task.node_id], task.running
        return sorted(ranks, key=lambda slot: ranks[slot])

    def _add(self, node: str) -> None:
        slot = next(number for number in range(1, len(self.tasks) + 2) if number not in self.tasks)
        state = "running" if self.starts else "preparing"
        fields = {"state": state, "desired_state": self.desired, "created_at": self._time()}
        self.tasks[slot] = a_task(slot=slot, node=node, **fields)

    def _time(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _kept(node: NodeState) -> dict[str, Any]:
    return {"availability": node.availability, "labels": node.labels, "version": node.version + 1}


def _facts(slot: int, task: TaskState) -> TaskFacts:
    return TaskFacts(task.id, task.service_id, slot, task.node_id or "", task.state == "running", Amounts(0, 0, {}))
