"""A service's tasks on the nodes, as policies that move tasks count them. Pure."""

from collections.abc import Iterable

from funswarm.state import ENDED_STATES, ServiceState, TaskState
from services.scheduler.facts import Amounts, TaskFacts
from services.scheduler.foresee import in_order_of_keeping
from services.scheduler.placement import Candidate
from services.scheduler.policies.capacity import amounts_of, facts_of
from services.scheduler.policies.contract import World


def wanted(tasks: Iterable[TaskState]) -> list[TaskState]:
    """Those that are to run, and have not ended."""
    return [task for task in tasks if task.desired_state == "running" and task.state not in ENDED_STATES]


def safe_to_take_away(tasks: Iterable[TaskState], left: int) -> bool:
    """Whether scaling down to `left` takes running tasks only where more than `left` run.

    Swarm takes those without a node first, then the highest copy on a node, whether it runs or not: a task that does
    not come to run on an empty node stays, and one that runs on a full node goes.
    """
    all_tasks = wanted(tasks)
    placed = in_order_of_keeping([_facts(task) for task in all_tasks if task.node_id])
    running = sum(task.state == "running" for task in all_tasks)
    return sum(task.running for task in placed[:left]) >= min(left, running)


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
