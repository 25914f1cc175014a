"""Restarts: which ended tasks get a successor, and when a successor may start (swarmkit manager/orchestrator/restart).

A successor is made at once and held at `ready` until the restart delay is over and its predecessor has stopped. No I/O.
"""

from dataclasses import replace

from services.simulator import agent
from services.simulator.model import Json, Service, State, Task
from services.simulator.spec import JOBS, SECOND_NS
from services.simulator.store import new_id
from services.simulator.swarm import Attempts, Start, Swarm, slot_key

DEFAULT_DELAY_S = 5.0
_OLD_TASK_PATIENCE_S = 60.0


def new_task(service: Service, slot: int, node_id: str = "") -> Task:
    """A task for a slot (of a global service: for a node), wanted to run, not stored yet."""
    job = service.job_status
    return Task(
        id=new_id(),
        service_id=service.id,
        slot=slot,
        node_id=node_id,
        spec=service.template,
        spec_version=service.spec_version,
        desired=State.COMPLETE if job else State.RUNNING,
        job_iteration=job.iteration if job else None,
        endpoint=service.spec.get("EndpointSpec"),
    )


def restart(swarm: Swarm, service: Service, task: Task) -> None:
    """Give up a task that has ended or lost its node, and make its successor where the restart policy has one."""
    if task.id in swarm.starts:
        return  # its own start is still due; the service is touched then
    agent.set_desired(swarm, task, State.SHUTDOWN)
    if not should_restart(swarm, service, task):
        return
    node = swarm.store.nodes.get(task.node_id)
    slot, node_id = (0, task.node_id) if service.mode.startswith("Global") else (task.slot, "")
    successor = agent.launch(swarm, replace(new_task(service, slot, node_id), desired=State.READY))
    _record(swarm, service, successor)
    stopping = not task.ended and node is not None and node.state != "down"
    drained = node is not None and node.availability == "drain"
    delay_s = 0.0 if drained else _delay_s(task.spec)
    hold(swarm, successor.id, delay_s, replaces=task.id if stopping else None)


def should_restart(swarm: Swarm, service: Service, task: Task) -> bool:
    """Whether the restart policy that the task was made under gives it a successor."""
    policy = _policy(task.spec)
    condition = policy.get("Condition", "any")
    on_failure_only = condition == "on-failure" or service.mode in JOBS
    if condition == "none" or (on_failure_only and task.state is State.COMPLETE):
        return False
    most = policy.get("MaxAttempts", 0)
    attempts = swarm.attempts.get((service.id, slot_key(service, task)))
    if not most or attempts is None or attempts.spec_version != task.spec_version:
        return True
    window_s = policy.get("Window", 0) / SECOND_NS
    if not window_s:
        return bool(attempts.total < most)
    since = task.at_ns / 1e9 - window_s
    return bool(sum(time > since for time in attempts.times) < most)


def hold(swarm: Swarm, task_id: str, delay_s: float, replaces: str | None) -> None:
    """Let a task that is wanted at `ready` run after `delay_s`, and once the task that it `replaces` has stopped."""
    now = swarm.now()
    start = Start(task_id, now + delay_s, replaces, now + delay_s + _OLD_TASK_PATIENCE_S)
    swarm.starts[task_id] = start
    swarm.agenda.after(delay_s, lambda: _try_start(swarm, start))
    if replaces:
        swarm.replaced_by[replaces] = task_id
        swarm.agenda.after(delay_s + _OLD_TASK_PATIENCE_S, lambda: _try_start(swarm, start))


def predecessor_stopped(swarm: Swarm, task_id: str) -> None:
    """A task has ended or lost its node: whoever waits for that may start."""
    successor_id = swarm.replaced_by.get(task_id)
    start = swarm.starts.get(successor_id) if successor_id else None
    if start:
        _try_start(swarm, start)


def start_now(swarm: Swarm, task_id: str) -> None:
    """Want a task to run that was wanted at `ready`."""
    task = swarm.store.tasks.get(task_id)
    if task is None or not task.wanted:
        return
    agent.set_desired(swarm, task, State.COMPLETE if task.job_iteration is not None else State.RUNNING)
    swarm.touch(task.service_id)


def _try_start(swarm: Swarm, start: Start) -> None:
    now = swarm.now()
    if swarm.starts.get(start.task_id) is not start or now + 1e-6 < start.not_before:
        return
    if start.replaces and now < start.give_up and not _stopped(swarm, start.replaces):
        return
    del swarm.starts[start.task_id]
    if start.replaces:
        swarm.replaced_by.pop(start.replaces, None)
    start_now(swarm, start.task_id)


def _stopped(swarm: Swarm, task_id: str) -> bool:
    task = swarm.store.tasks.get(task_id)
    if task is None or task.ended or task.never_ran:
        return True
    node = swarm.store.nodes.get(task.node_id)
    return node is None or node.state == "down"


def _record(swarm: Swarm, service: Service, successor: Task) -> None:
    if not _policy(successor.spec).get("MaxAttempts"):
        return
    key = (service.id, slot_key(service, successor))
    attempts = swarm.attempts.get(key)
    if attempts is None or attempts.spec_version != successor.spec_version:
        attempts = swarm.attempts[key] = Attempts(successor.spec_version)
    attempts.total += 1
    attempts.times.append(swarm.now())


def _policy(template: Json) -> Json:
    policy: Json = template.get("RestartPolicy") or {}
    return policy


def _delay_s(template: Json) -> float:
    delay_ns = _policy(template).get("Delay")
    return DEFAULT_DELAY_S if delay_ns is None else delay_ns / SECOND_NS
