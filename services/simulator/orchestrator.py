"""Makes the tasks of a service what its spec says: each touched service is looked at, then changed.

As in SwarmKit (manager/orchestrator) a *write* of the service has its slots counted and its update begun; the end of a
task only has it replaced, and an update that is at work taken on. Replicated and global services here, jobs in jobs.py,
rolling updates in updates.py. No I/O.
"""

from collections import Counter

from services.simulator import agent, jobs, restarts, updates
from services.simulator.constraints import constraints_of, satisfies
from services.simulator.model import Node, Service, State, Task
from services.simulator.slots import Slots, by_slot, in_order_of_keeping, updatable
from services.simulator.swarm import Swarm, slot_key


def reconcile(swarm: Swarm, service_id: str, *, whole: bool) -> None:
    """One look at one service, which may be removed by now. `whole`: it was written, or nodes have changed."""
    service = swarm.store.services.get(service_id)
    for task in swarm.store.tasks_of(service_id):
        if task.id in swarm.replaced_by:
            restarts.predecessor_stopped(swarm, task.id)
    if service is None:
        _forget(swarm, service_id)
    elif service.job_status:
        jobs.reconcile(swarm, service)
    else:
        _restart_lost(swarm, service)
        if whole and service.mode == "Replicated":
            _replicated(swarm, service)
        elif whole:
            _global(swarm, service)
        else:
            updates.advance(swarm, service)
    _reap(swarm, service, service_id)


def _forget(swarm: Swarm, service_id: str) -> None:
    swarm.updates.pop(service_id, None)
    for key in [key for key in swarm.attempts if key[0] == service_id]:
        del swarm.attempts[key]
    for task in swarm.store.tasks_of(service_id):
        agent.set_desired(swarm, task, State.REMOVE)


def _restart_lost(swarm: Swarm, service: Service) -> None:
    """Replace what has ended by itself, and what sits on a node that is down, drained or no more.

    A global service's tasks are not replaced elsewhere: they just stop there.
    """
    for task in swarm.store.tasks_of(service.id):
        if not task.wanted:
            continue
        homeless = bool(task.node_id) and task.state >= State.ASSIGNED and swarm.node_gone(task.node_id)
        if homeless and service.mode == "Global":
            agent.set_desired(swarm, task, State.SHUTDOWN)
        elif task.ended or homeless:
            restarts.restart(swarm, service, task)


def _replicated(swarm: Swarm, service: Service) -> None:
    """As many slots as replicas. Slots given up are removed; those of which nothing counts any more are deleted."""
    alive: Slots = {}
    dead: Slots = {}
    for slot, tasks in by_slot(service, swarm.store.tasks_of(service.id)).items():
        counting = updatable(swarm, service, tasks)
        (alive if counting else dead)[slot] = counting or tasks
    replicas = int(service.spec["Mode"]["Replicated"]["Replicas"])
    keep = in_order_of_keeping(alive)
    updates.update(swarm, service, {slot: alive[slot] for slot in keep[:replicas]})
    number = 0
    for _ in range(replicas - len(keep)):
        number += 1
        while number in alive:
            number += 1
        dead.pop(number, None)  # its tasks become the new task's history
        agent.launch(swarm, restarts.new_task(service, number))
    for tasks in dead.values():
        for task in tasks:
            _delete(swarm, task)
    for slot in keep[replicas:]:
        for task in alive[slot]:
            agent.set_desired(swarm, task, State.REMOVE)


def _global(swarm: Swarm, service: Service) -> None:
    """One slot on each node that meets the constraints; a paused node keeps what it has."""
    constraints = constraints_of(service.template)

    def meant_for(node: Node) -> bool:
        return not node.gone and satisfies(node, constraints)

    slots = by_slot(service, swarm.store.tasks_of(service.id))
    kept: Slots = {}
    for node in list(swarm.store.nodes.values()):
        tasks = slots.get(node.id, [])
        if not meant_for(node):
            for task in tasks:
                agent.set_desired(swarm, task, State.SHUTDOWN)
        elif node.availability == "active":
            if counting := updatable(swarm, service, tasks):
                kept[node.id] = counting
            else:
                agent.launch(swarm, restarts.new_task(service, 0, node.id))
    updates.update(swarm, service, kept)


def _reap(swarm: Swarm, service: Service | None, service_id: str) -> None:
    """Delete tasks that shall be removed and have stopped, and what exceeds each slot's history (taskreaper)."""
    for task in swarm.store.tasks_of(service_id):
        if task.desired is State.REMOVE and (task.ended or task.never_ran):
            _delete(swarm, task)
    tasks = swarm.store.tasks_of(service_id)
    if service is None or len(tasks) <= swarm.settings.history:
        return
    policy = service.template.get("RestartPolicy") or {}
    most = max(swarm.settings.history, int(policy.get("MaxAttempts") or 0) + 1)
    surplus = Counter(slot_key(service, task) for task in tasks)
    surplus.subtract(dict.fromkeys(surplus, most))
    if max(surplus.values()) <= 0:
        return
    for task in tasks:
        key = slot_key(service, task)
        if surplus[key] > 0 and (task.ended or task.never_ran):
            surplus[key] -= 1
            _delete(swarm, task)


def _delete(swarm: Swarm, task: Task) -> None:
    swarm.starts.pop(task.id, None)
    swarm.unplaced.pop(task.id, None)
    swarm.store.delete(task)
