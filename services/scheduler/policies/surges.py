"""A service's tasks on the nodes, as policies that move tasks count them. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from funswarm.state import ENDED_STATES, ServiceState, TaskState
from services.scheduler.facts import Amounts, TaskFacts
from services.scheduler.foresee import in_order_of_keeping
from services.scheduler.placement import Candidate
from services.scheduler.policies.capacity import amounts_of, facts_of
from services.scheduler.policies.contract import World
from services.scheduler.policies.drain_memory import BASE_LABEL as DRAIN_BASE_LABEL
from services.scheduler.policies.rebalance_memory import BASE_LABEL as REBALANCE_BASE_LABEL

_TO_RUN: Final = frozenset({"running", "ready"})  # `ready`: Swarm starts it again, after the delay of a restart
_STABLE_MAX: Final = 6  # so few Go's sort.Sort leaves in their order where they are equal


def wanted(tasks: Iterable[TaskState]) -> list[TaskState]:
    """Those that Swarm counts among the replicas: that are to run, and have not ended."""
    return [task for task in tasks if task.desired_state in _TO_RUN and task.state not in ENDED_STATES]


def lives(task: TaskState, world: World) -> bool:
    """Whether it runs, wanted or not, on a node that is there."""
    node = world.nodes().get(task.node_id or "")
    return task.state == "running" and node is not None and node.state == "ready"


def count_in(text: str | None) -> int | None:
    """The number that a label of ours says; None: there is none, or somebody has written something else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def unsurged(service: ServiceState) -> ServiceState:
    """The service with as many replicas as it has without the surge that it is in the middle of, if it is."""
    bases = [count_in(service.labels.get(label)) for label in (DRAIN_BASE_LABEL, REBALANCE_BASE_LABEL)]
    has = service.replicas or 0
    least = min([has, *(base for base in bases if base is not None)])
    return service if least == has else service.model_copy(update={"replicas": least})


def safe_to_take_away(tasks: Iterable[TaskState], left: int) -> bool:
    """Whether scaling down to `left` takes running tasks only where more than `left` run.

    Swarm takes those without a node first, then the highest copy on a node, whether it runs or not: a task that does
    not come to run on an empty node stays, and one that runs on a full node goes. Of equally high copies any may go
    (swarmkit orchestrator/replicated sorts them unstably): then the worst is reckoned with.
    """
    all_tasks = wanted(tasks)
    copies: Counter[str] = Counter()
    kept = []
    for task in in_order_of_keeping([_facts(task) for task in all_tasks if task.node_id]):
        copies[task.node_id] += 1
        kept.append((copies[task.node_id], task.running))
    if len(all_tasks) > _STABLE_MAX:
        kept.sort()
    running = sum(task.state == "running" for task in all_tasks)
    return sum(runs for _, runs in kept[:left]) >= min(left, running)


def empty_nodes(world: World) -> list[Candidate]:
    """All nodes, as if nothing ran on them."""
    return [Candidate(facts_of(node)) for _, node in sorted(world.nodes().items())]


def loaded_nodes(service: ServiceState, world: World) -> list[Candidate]:
    """All nodes, with the service's tasks on them, and what all tasks that are known take there."""
    found = {candidate.node.id: candidate for candidate in empty_nodes(world)}
    for other in world.services():
        tasks = wanted(world.tasks_of(other.id))
        amounts = amounts_of(other) if tasks else None
        for task in tasks:
            if amounts is not None and (candidate := found.get(task.node_id or "")) is not None:
                candidate.count(amounts, (), own=other.id == service.id)
    return [*found.values()]


def by_node(candidates: Iterable[Candidate]) -> dict[str, int]:
    """The numbers of the service's tasks by the names of nodes, for people."""
    return {one.node.name: one.of_service for one in candidates if one.node.available or one.of_service}


def _facts(task: TaskState) -> TaskFacts:
    running = task.state == "running"
    return TaskFacts(task.id, task.service_id, task.slot or 0, task.node_id or "", running, Amounts(0, 0, {}))
