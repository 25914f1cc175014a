"""Whether the tasks of several services find nodes together, by the rules of Swarm's own scheduler. Pure.

From the published states: what they do not tell (generic resources, ports of nodes that are taken) is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from funswarm.state import ENDED_STATES, NodeState, ServiceState
from services.scheduler.facts import Amounts, NodeFacts, reserved
from services.scheduler.placement import Candidate, Demand, demand_of, filters_for, spread, suited
from services.scheduler.policies.contract import World


@dataclass(frozen=True, slots=True)
class Room:
    """`more`: so many tasks find a node. `per_node`: the service's tasks on each node that may have another one."""

    more: int
    per_node: Mapping[str, int]


def why_not(wanted: Sequence[tuple[ServiceState, int]], world: World) -> str | None:
    """Why not all of so many more tasks of each of these services have a node; None: they do."""
    candidates = _candidates(world, world.services())
    for service, count in wanted:
        demand = _demand(service)
        for candidate in candidates.values():
            candidate.of_service = 0
        left, reason = spread(list(candidates.values()), demand, count)
        if left:
            return f"{left} of {count} tasks of {service.name} would have no node: {reason}"
    return None


def room_for(service: ServiceState, count: int, world: World) -> Room:
    """Where up to `count` more tasks of a service find a node beside those that it has."""
    demand = _demand(service)
    beside = world.services() if demand.amounts else (service,)  # who reserves nothing does not mind the others
    candidates = list(_candidates(world, beside, own=service.id).values())
    nodes, _ = suited(candidates, filters_for(demand))
    per_node = {one.node.id: one.of_service for one in nodes}
    left, _ = spread(candidates, demand, count)
    return Room(count - left, per_node)


def _candidates(world: World, beside: Iterable[ServiceState], own: str = "") -> dict[str, Candidate]:
    """The nodes, with what runs there of these services, as far as it is told; `own`: the id of the one looked at."""
    candidates = {node.id: Candidate(facts_of(node)) for node in world.nodes().values()}
    for service in beside:
        amounts = amounts_of(service)
        for task in world.tasks_of(service.id):
            if task.state not in ENDED_STATES and (candidate := candidates.get(task.node_id or "")) is not None:
                candidate.count(amounts, (), own=service.id == own)
    return candidates


def _demand(service: ServiceState) -> Demand:
    return replace(demand_of(service.spec), amounts=amounts_of(service), ports=frozenset())


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
