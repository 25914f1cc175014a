"""Whether the tasks of several services find nodes together, by the rules of Swarm's own scheduler. Pure.

From the published states: what they do not tell (generic resources, ports of nodes that are taken) is left out.
"""

from collections.abc import Sequence
from dataclasses import replace

from funswarm.state import ENDED_STATES, NodeState, ServiceState
from services.scheduler.facts import Amounts, NodeFacts, reserved
from services.scheduler.placement import Candidate, demand_of, spread
from services.scheduler.policies.contract import World


def why_not(wanted: Sequence[tuple[ServiceState, int]], world: World) -> str | None:
    """Why not all of so many more tasks of each of these services have a node; None: they do."""
    candidates = {node.id: Candidate(facts_of(node)) for node in world.nodes().values()}
    for service in world.services():
        amounts = amounts_of(service)
        for task in world.tasks_of(service.id):
            if task.state not in ENDED_STATES and (candidate := candidates.get(task.node_id or "")) is not None:
                candidate.count(amounts, (), own=False)
    for service, count in wanted:
        demand = replace(demand_of(service.spec), amounts=amounts_of(service), ports=frozenset())
        for candidate in candidates.values():
            candidate.of_service = 0
        left, reason = spread(list(candidates.values()), demand, count)
        if left:
            return f"{left} of {count} tasks of {service.name} would have no node: {reason}"
    return None


def amounts_of(service: ServiceState) -> Amounts:
    found = reserved(service.spec.get("TaskTemplate") or {})
    return Amounts(found.cpu_nano, found.memory_bytes, {})


def facts_of(node: NodeState) -> NodeFacts:
    return NodeFacts(
        id=node.id,
        name=node.name,
        state=node.state,
        availability=node.availability,
        values={
            "node.id": node.id,
            "node.hostname": node.name,
            "node.ip": node.address,
            "node.role": node.role,
            "node.platform.os": node.os,
            "node.platform.arch": node.architecture,
        },
        labels=node.labels,
        engine_labels=node.engine_labels,
        room=Amounts(node.cpu_nano, node.memory_bytes, {}),
        plugins=None,
    )
