"""The nodes that are to be drained gracefully, and whether their services can do without them. Pure."""

from collections.abc import Iterable

from funswarm.state import NodeState, ServiceState, TaskState
from funswarm.units import flag
from services.scheduler.plan_node import DRAIN_LABEL
from services.scheduler.policies.contract import World
from services.scheduler.policies.drain_memory import BASE_LABEL, NAME
from services.scheduler.policies.surges import count_in, lives, wanted


def marked(world: World) -> dict[str, NodeState]:
    """By id, the nodes that are paused, and to be drained when nothing depends on them."""
    return {node.id: node for node in world.nodes().values() if DRAIN_LABEL in node.labels and _is_left(node)}


def _is_left(node: NodeState) -> bool:
    """An active one was activated outside of Funswarm: that ends it."""
    return node.availability != "active"


def concerns(service: ServiceState) -> bool:
    """Whether a drain waits for the service: one with replicas, and without `funswarm.drain=false`."""
    try:
        return service.mode == "replicated" and flag(service.labels.get(f"funswarm.{NAME}", "true")) is not False
    except ValueError:
        return True


def on(tasks: Iterable[TaskState], nodes: Iterable[str]) -> list[TaskState]:
    """The tasks on these nodes."""
    ids = set(nodes)
    return [task for task in tasks if task.node_id in ids]


def running_elsewhere(service: ServiceState, world: World, nodes: Iterable[str]) -> int:
    """How many of its tasks run on nodes that stay."""
    ids = set(nodes)
    return sum(lives(task, world) and task.node_id not in ids for task in wanted(world.tasks_of(service.id)))


def lacks(service: ServiceState, base: int, world: World, nodes: Iterable[str]) -> int:
    """How many running tasks too few it would have without these nodes: fewer than now, and than its `base`."""
    runs = sum(lives(task, world) for task in wanted(world.tasks_of(service.id)))
    return max(0, min(base, runs) - running_elsewhere(service, world, nodes))


def holds_back(world: World, node_id: str) -> list[ServiceState]:
    """The services for whose sake the node must not be drained yet."""
    left = marked(world)
    found = []
    for service in world.services():
        if not concerns(service):
            continue
        if not world.knows_tasks_of(service.id):
            found.append(service)
        elif on(wanted(world.tasks_of(service.id)), [node_id]):
            base = count_in(service.labels.get(BASE_LABEL))
            if base is None or lacks(service, base, world, left):
                found.append(service)
    return found


def is_speaker(world: World, name: str) -> bool:
    """Whether the commands for nodes are given on the occasion of this service: it is the first by name."""
    return not any(service.name < name for service in world.services())
