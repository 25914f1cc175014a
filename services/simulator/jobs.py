"""Jobs: tasks that shall complete once each; every update of the service is a new run.

Tasks of an older run that still run are removed (swarmkit manager/orchestrator/jobs). No I/O.
"""

from services.simulator import agent, restarts
from services.simulator.constraints import constraints_of, satisfies
from services.simulator.model import Service, State, Task
from services.simulator.swarm import Swarm


def reconcile(swarm: Swarm, service: Service) -> None:
    """One look at a job."""
    assert service.job_status is not None, "a job has a job status from its creation"
    iteration = service.job_status.iteration
    current = []
    for task in swarm.store.tasks_of(service.id):
        if task.job_iteration == iteration:
            current.append(task)
        elif task.state <= State.RUNNING:
            agent.set_desired(swarm, task, State.REMOVE)
    if service.mode == "ReplicatedJob":
        _replicated(swarm, service, current)
    else:
        _global(swarm, service, current)
    for task in current:
        if _lost(swarm, task):
            restarts.restart(swarm, service, task)


def _lost(swarm: Swarm, task: Task) -> bool:
    if not task.wanted or task.state is State.COMPLETE:
        return False
    return task.ended or (task.state >= State.ASSIGNED and swarm.node_gone(task.node_id))


def _replicated(swarm: Swarm, service: Service, current: list[Task]) -> None:
    """Start as many as may run at once and are still owed, each in a slot of its own, counted from 0."""
    job = service.spec["Mode"]["ReplicatedJob"]
    complete = [task for task in current if task.state is State.COMPLETE]
    running = [task for task in current if task.state is not State.COMPLETE and task.wanted]
    taken = {task.slot for task in complete + running}
    owed = min(job["MaxConcurrent"] - len(running), job["TotalCompletions"] - len(complete) - len(running))
    free = (slot for slot in range(job["TotalCompletions"]) if slot not in taken)
    for _, slot in zip(range(owed), free, strict=False):
        agent.launch(swarm, restarts.new_task(service, slot))


def _global(swarm: Swarm, service: Service, current: list[Task]) -> None:
    """One on each node that may have it."""
    constraints = constraints_of(service.template)
    served = {task.node_id for task in current}
    for node in list(swarm.store.nodes.values()):
        takes = not node.gone and node.availability == "active" and satisfies(node, constraints)
        if takes and node.id not in served:
            agent.launch(swarm, restarts.new_task(service, 0, node.id))
