"""A service's tasks by slot, what is dirty in them, and which slots a scale-down gives up.

Pure but for reading the swarm. Rules: swarmkit manager/orchestrator/{task,slot}.go and replicated/{slot,services}.go.
"""

from collections import Counter

from services.simulator import restarts
from services.simulator.constraints import constraints_of, satisfies
from services.simulator.model import Service, State, Task
from services.simulator.swarm import SlotKey, Swarm, slot_key

Slots = dict[SlotKey, list[Task]]


def by_slot(service: Service, tasks: list[Task]) -> Slots:
    """The tasks of each slot, oldest first."""
    slots: Slots = {}
    for task in tasks:
        slots.setdefault(slot_key(service, task), []).append(task)
    return slots


def updatable(swarm: Swarm, service: Service, tasks: list[Task]) -> list[Task]:
    """The tasks of one slot that count: those wanted, else the newest if no restart will follow it; else none."""
    wanted = [task for task in tasks if task.wanted]
    if wanted or service.update_state == "rollback_started":
        return wanted
    kept = [task for task in tasks if task.desired is not State.REMOVE]
    return kept[-1:] if kept and not restarts.should_restart(swarm, service, kept[-1]) else []


def is_dirty(swarm: Swarm, service: Service, task: Task) -> bool:
    """Whether the task was made from another template than the service has now.

    A change of the placement alone does not make it so, as long as its node still meets the constraints.
    """
    if task.spec_version == service.spec_version:
        return False
    if task.endpoint != service.spec.get("EndpointSpec"):
        return True
    if task.spec == service.template:
        return False
    if {**task.spec, "Placement": None} != {**service.template, "Placement": None}:
        return True
    node = swarm.store.nodes.get(task.node_id)
    return node is None or not satisfies(node, constraints_of(service.template))


def is_dirty_slot(swarm: Swarm, service: Service, tasks: list[Task]) -> bool:
    """Whether a slot needs the updater: two tasks at once, or one that is dirty."""
    return len(tasks) > 1 or any(is_dirty(swarm, service, task) for task in tasks)


def in_order_of_keeping(slots: Slots) -> list[SlotKey]:
    """The slots, those that a scale-down gives up first at the end.

    Running ones before others, then one of each node before the second of any, then by slot number.
    """

    def runs(tasks: list[Task]) -> bool:
        return any(task.state is State.RUNNING for task in tasks)

    ordered = sorted(slots.items(), key=lambda item: (not runs(item[1]), item[0]))
    copies: Counter[str] = Counter()
    ranks: dict[SlotKey, float] = {}
    for key, tasks in ordered:
        node_id = tasks[0].node_id if len(tasks) == 1 else ""
        copies[node_id] += 1
        ranks[key] = copies[node_id] if node_id else float("inf")
    return sorted(ranks, key=lambda key: ranks[key])
