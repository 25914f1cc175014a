"""The lives of tasks: each goes step by step from new to running, ends as its container does, and stops when told to.

Stands in for Swarm's allocator and the nodes' agents. A node that is down moves none of its tasks. No I/O.
"""

import secrets
from dataclasses import replace

from services.simulator.container import image_exists, outcome
from services.simulator.model import Json, State, Task
from services.simulator.swarm import Swarm

_STEPS = {
    State.ASSIGNED: (State.ACCEPTED, "accepted"),
    State.ACCEPTED: (State.PREPARING, "preparing"),
    State.PREPARING: (State.READY, "prepared"),
    State.READY: (State.STARTING, "starting"),
    State.STARTING: (State.RUNNING, "started"),
}
_SLACK_S = 1e-6


def launch(swarm: Swarm, task: Task) -> Task:
    """Store a new task and start its life."""
    stored = swarm.store.put(replace(task, at_ns=swarm.store.now_ns()))
    _visit_after(swarm, swarm.settings.step_s, task.id)
    return stored


def assign(swarm: Swarm, task: Task, node_id: str) -> None:
    """The scheduler's decision: from here on the node's agent has the task."""
    moved = replace(task, node_id=node_id, err="")
    _set_state(swarm, moved, State.ASSIGNED, "scheduler assigned task to node")


def set_desired(swarm: Swarm, task: Task, desired: State) -> None:
    """Say what shall become of a task. Never backwards."""
    if task.desired >= desired:
        return
    changed = swarm.store.put(replace(task, desired=desired))
    if not changed.wanted:
        swarm.unplaced.pop(task.id, None)
    if changed.ended or changed.never_ran:
        swarm.touch(task.service_id)
    else:
        _visit_after(swarm, swarm.settings.step_s if changed.wanted else swarm.settings.stop_s, task.id)


def finish(swarm: Swarm, task: Task, exit_code: int) -> None:
    """A running task's container has ended by itself."""
    if exit_code:
        _end(swarm, replace(task, exit_code=exit_code), State.FAILED, "started", f"task: non-zero exit ({exit_code})")
    else:
        _end(swarm, task, State.COMPLETE, "finished")


def reject(swarm: Swarm, task: Task, message: str, err: str) -> None:
    """A task that cannot start, or may not stay where it is."""
    _end(swarm, task, State.REJECTED, message, err)


def orphan(swarm: Swarm, task: Task) -> None:
    """A task whose node is no more."""
    _end(swarm, task, State.ORPHANED, task.message)


def visit(swarm: Swarm, task_id: str) -> None:
    """Move a task on by one step, if it has one to make now."""
    task = swarm.store.tasks.get(task_id)
    if task is None or task.ended:
        return
    if task.state is State.NEW:
        _allocate(swarm, task)
    elif task.state >= State.ASSIGNED and _node_up(swarm, task):
        _work(swarm, task)


def _allocate(swarm: Swarm, task: Task) -> None:
    if not task.wanted:
        return
    attached = replace(task, attachments=_attachments(swarm, task), state=State.PENDING)
    swarm.store.put(replace(attached, message="pending task scheduling", at_ns=swarm.store.now_ns()))
    swarm.unplaced[task.id] = False
    swarm.place_soon()


def _attachments(swarm: Swarm, task: Task) -> tuple[Json, ...]:
    """The task's networks, each with an address that tells tasks apart."""
    networks = swarm.store.resources["network"]
    attached = [
        networks[wanted["Target"]] for wanted in task.spec.get("Networks") or () if wanted["Target"] in networks
    ]
    number = swarm.store.index
    return tuple(
        {
            "Network": {
                "ID": network.id,
                "Version": {"Index": network.version},
                "Spec": {"Name": network.name, "Labels": network.spec.get("Labels") or {}, "Scope": "swarm"},
            },
            "Addresses": [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/24"],
        }
        for network in attached
        if network.spec.get("Scope") == "swarm"
    )


def _work(swarm: Swarm, task: Task) -> None:
    """What the node's agent does next about a task."""
    container = task.spec["ContainerSpec"]
    if not task.wanted:
        _end(swarm, task, State.SHUTDOWN, "shutdown")
    elif task.state is State.RUNNING:
        end = outcome(container)
        if end.after_s is not None and swarm.now() + _SLACK_S >= task.at_ns / 1e9 + end.after_s:
            finish(swarm, task, end.exit_code)
    elif task.state is State.PREPARING and not image_exists(container):
        reject(swarm, task, "preparing", f"No such image: {container['Image']}")
    elif task.state is not State.READY or task.desired >= State.RUNNING:
        _set_state(swarm, task, *_STEPS[task.state])


def _set_state(swarm: Swarm, task: Task, state: State, message: str) -> None:
    container_id = task.container_id
    if state is State.READY:
        container_id = secrets.token_hex(32)
    changed = replace(task, state=state, message=message, at_ns=swarm.store.now_ns(), container_id=container_id)
    swarm.store.put(changed)
    if state is not State.RUNNING:
        _visit_after(swarm, swarm.settings.step_s, task.id)
        return
    if task.service_id in swarm.updates:
        swarm.touch(task.service_id)
    after_s = outcome(task.spec["ContainerSpec"]).after_s
    if after_s is not None:
        _visit_after(swarm, after_s, task.id)


def _end(swarm: Swarm, task: Task, state: State, message: str, err: str = "") -> None:
    """The task's last state. Whoever waits for that hears of it: its service, its replacement, tasks without room."""
    swarm.store.put(replace(task, state=state, message=message, err=err, at_ns=swarm.store.now_ns()))
    swarm.unplaced.pop(task.id, None)
    swarm.touch(task.service_id)
    if any(swarm.unplaced.values()):
        swarm.place_soon()


def _node_up(swarm: Swarm, task: Task) -> bool:
    node = swarm.store.nodes.get(task.node_id)
    return node is not None and node.state == "ready"


def _visit_after(swarm: Swarm, delay_s: float, task_id: str) -> None:
    swarm.agenda.after(delay_s, lambda: visit(swarm, task_id))


def resume(swarm: Swarm, task: Task) -> None:
    """The task's node is heard again: go on where it stood."""
    if not task.ended:
        _visit_after(swarm, 0, task.id)


def seed(swarm: Swarm, task: Task, node_id: str) -> None:
    """Store a task that runs already."""
    running = replace(task, node_id=node_id, state=State.RUNNING, message="started", container_id=secrets.token_hex(32))
    swarm.store.put(replace(running, at_ns=swarm.store.now_ns()))
