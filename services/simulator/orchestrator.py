"""Makes the tasks of a service what its spec says: each touched service is looked at as a whole, then changed.

Replicated and global services here, jobs in jobs.py, rolling updates in updates.py (swarmkit manager/orchestrator,
which our own scheduler is one of, too). No I/O.
"""

from services.simulator import agent, jobs, placement, restarts, updates
from services.simulator.model import Node, Service, State, Task
from services.simulator.slots import Slots, by_slot, in_order_of_keeping, updatable
from services.simulator.swarm import Swarm


def reconcile(swarm: Swarm, service_id: str) -> None:
    """One look at one service. Removed services end here, too."""
    service = swarm.store.services.get(service_id)
    for task in swarm.store.tasks_of(service_id):
        if task.id in swarm.replaced_by:
            restarts.predecessor_stopped(swarm, task.id)
    if service is None:
        _forget(swarm, service_id)
    elif service.mode == "Replicated":
        _replicated(swarm, service)
    elif service.mode == "Global":
        _global(swarm, service)
    else:
        jobs.reconcile(swarm, service)
    _reap(swarm, service, service_id)


def _forget(swarm: Swarm, service_id: str) -> None:
    swarm.updates.pop(service_id, None)
    for key in [key for key in swarm.attempts if key[0] == service_id]:
        del swarm.attempts[key]
    for task in swarm.store.tasks_of(service_id):
        agent.set_desired(swarm, task, State.REMOVE)


def _replicated(swarm: Swarm, service: Service) -> None:
    _restart_lost(swarm, service)
    slots = by_slot(service, swarm.store.tasks_of(service.id))
    alive: Slots = {}
    for slot, tasks in slots.items():
        if counting := updatable(swarm, service, tasks):
            alive[slot] = counting
        elif all(task.ended or task.never_ran for task in tasks):
            for task in tasks:
                swarm.store.delete(task)
    replicas = int(service.spec["Mode"]["Replicated"]["Replicas"])
    keep = in_order_of_keeping(alive)
    for slot in keep[replicas:]:
        for task in alive[slot]:
            agent.set_desired(swarm, task, State.REMOVE)
    updates.update(swarm, service, {slot: alive[slot] for slot in keep[:replicas]})
    number = 0
    for _ in range(replicas - len(keep)):
        number += 1
        while number in alive:
            number += 1
        agent.launch(swarm, restarts.new_task(service, number))


def _restart_lost(swarm: Swarm, service: Service) -> None:
    """Give up what has ended by itself, and what sits on a node that is down, drained or no more."""
    for task in swarm.store.tasks_of(service.id):
        if task.wanted and (task.ended or (task.state >= State.ASSIGNED and swarm.node_gone(task.node_id))):
            restarts.restart(swarm, service, task)


def _global(swarm: Swarm, service: Service) -> None:
    constraints = placement.constraints_of(service.template)

    def meant_for(node: Node) -> bool:
        return not node.gone and placement.satisfies(node, constraints)

    for task in swarm.store.tasks_of(service.id):
        node = swarm.store.nodes.get(task.node_id)
        if task.wanted and (node is None or not meant_for(node)):
            agent.set_desired(swarm, task, State.SHUTDOWN)
        elif task.wanted and task.ended:
            restarts.restart(swarm, service, task)
    slots = by_slot(service, swarm.store.tasks_of(service.id))
    kept: Slots = {}
    for node in list(swarm.store.nodes.values()):
        if not meant_for(node) or node.availability == "pause":
            continue
        if counting := updatable(swarm, service, slots.get(node.id, [])):
            kept[node.id] = counting
        else:
            agent.launch(swarm, restarts.new_task(service, 0, node.id))
    updates.update(swarm, service, kept)


def _reap(swarm: Swarm, service: Service | None, service_id: str) -> None:
    """Delete tasks that shall be removed and have stopped, and what exceeds each slot's history (taskreaper)."""
    tasks = swarm.store.tasks_of(service_id)
    for task in tasks:
        if task.desired is State.REMOVE and (task.ended or task.never_ran):
            _delete(swarm, task)
    if service is None or len(tasks) <= swarm.settings.history:
        return
    most = swarm.settings.history
    policy = service.template.get("RestartPolicy") or {}
    if policy.get("MaxAttempts"):
        most = max(most, int(policy["MaxAttempts"]) + 1)
    for slot in by_slot(service, swarm.store.tasks_of(service_id)).values():
        surplus = len(slot) - most
        for task in [task for task in slot if not task.wanted or task.ended][: max(0, surplus)]:
            if task.ended or task.never_ran:
                _delete(swarm, task)


def _delete(swarm: Swarm, task: Task) -> None:
    swarm.starts.pop(task.id, None)
    swarm.store.delete(task)
