"""Gives pending tasks their nodes, batch by batch as SwarmKit's scheduler: one batch is one service at one spec.

Decisions are placement.py's; here they meet the store. No I/O.
"""

from collections import Counter
from dataclasses import replace

from services.simulator import agent, placement
from services.simulator.model import Node, Task
from services.simulator.swarm import Swarm


def place(swarm: Swarm) -> None:
    """Try to place every pending task once. A placed task is never moved."""
    batches: dict[tuple[str, int], list[Task]] = {}
    for task_id in list(swarm.unplaced):
        task = swarm.store.tasks.get(task_id)
        if task is None:
            del swarm.unplaced[task_id]
        elif task.node_id:
            _place_preassigned(swarm, task)
        else:
            batches.setdefault((task.service_id, task.spec_version), []).append(task)
    for batch in batches.values():
        _place_batch(swarm, batch)


def _place_batch(swarm: Swarm, batch: list[Task]) -> None:
    demand = placement.demand_of(batch[0])
    candidates = _candidates(swarm, batch[0], demand, list(swarm.store.nodes.values()))
    chosen, problem = placement.spread(candidates, demand, len(batch))
    for task, candidate in zip(batch, chosen, strict=False):
        swarm.unplaced.pop(task.id)
        agent.assign(swarm, task, candidate.node.id)
    for task in batch[len(chosen) :]:
        _hold(swarm, task, problem)


def _place_preassigned(swarm: Swarm, task: Task) -> None:
    """A global service's task: its node is set, and must suit."""
    node = swarm.store.nodes.get(task.node_id)
    demand = placement.demand_of(task)
    candidates = _candidates(swarm, task, demand, [node] if node else [])
    for candidate in candidates:  # it is counted there already
        candidate.of_service -= 1
    problem = placement.eligible(candidates, placement.filters_for(demand))[1]
    if candidates and not problem:
        swarm.unplaced.pop(task.id)
        agent.assign(swarm, task, task.node_id)
    else:
        _hold(swarm, task, problem or "no suitable node")


def _hold(swarm: Swarm, task: Task, problem: str) -> None:
    swarm.unplaced[task.id] = any(words in problem for words in placement.CAPACITY_FILTERS)
    if task.err != problem:
        swarm.store.put(replace(task, err=problem, at_ns=swarm.store.now_ns()))


def _candidates(swarm: Swarm, task: Task, demand: placement.Demand, nodes: list[Node]) -> list[placement.Candidate]:
    """The nodes as the batch of `task` sees them."""
    of_service = Counter(other.node_id for other in swarm.store.tasks_of(task.service_id) if _counts(other))
    active = swarm.store.active_on
    candidates = [placement.Candidate(node, of_service[node.id], active.get(node.id, 0)) for node in nodes]
    if demand.is_of_use:
        for candidate in candidates:
            for other in swarm.store.tasks_on(candidate.node.id):
                if _counts(other) and other.id != task.id:
                    candidate.use(placement.demand_of(other))
    return candidates


def _counts(task: Task) -> bool:
    return task.wanted and not task.ended
