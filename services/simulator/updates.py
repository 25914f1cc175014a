"""Rolling updates: replaces dirty slots a few at a time, watches the new tasks, completes, pauses or rolls back.

Level-based: `update` looks at where things stand and does what is due (swarmkit manager/orchestrator/update). No I/O.
"""

from collections import deque
from dataclasses import replace

from services.simulator import agent, restarts
from services.simulator.model import Service, State, Task, UpdateStatus
from services.simulator.slots import Slots, by_slot, is_dirty, is_dirty_slot, updatable
from services.simulator.spec import SECOND_NS, update_config
from services.simulator.swarm import Replacement, SlotKey, Swarm, Update

_SLACK_S = 1e-6


def update(swarm: Swarm, service: Service, slots: Slots) -> None:
    """The service was written: begin an update where slots are dirty. One at work towards that spec goes on."""
    work = swarm.updates.get(service.id)
    if work is None or work.spec != service.spec:
        swarm.updates.pop(service.id, None)
        _begin(swarm, service, slots)
    advance(swarm, service)


def advance(swarm: Swarm, service: Service) -> None:
    """Take the update that is at work a step on, if there is one."""
    work = swarm.updates.get(service.id)
    if work:
        _step(swarm, service, work)


def _begin(swarm: Swarm, service: Service, slots: Slots) -> None:
    """A new update, if there is anything to do for it."""
    if service.update_state in {"paused", "rollback_paused"}:
        return
    dirty = [slot for slot, tasks in slots.items() if is_dirty_slot(swarm, service, tasks)]
    if not dirty:
        _complete(swarm, service.id)
        return
    rollback = service.update_state == "rollback_started"
    if service.update_status is None:
        _set_status(swarm, service.id, "updating", "update in progress")
    config = update_config(service.spec, rollback=rollback)
    swarm.updates[service.id] = Update(service.spec, config, rollback, total=len(dirty), queue=deque(dirty))


def _step(swarm: Swarm, service: Service, work: Update) -> None:
    _watch(swarm, service, work)
    for slot, replacement in list(work.working.items()):
        if _is_done(swarm, service, work, replacement):
            del work.working[slot]
    parallelism = work.config["Parallelism"] or work.total
    if work.queue and len(work.working) < parallelism:
        slots = by_slot(service, swarm.store.tasks_of(service.id))
        while work.queue and len(work.working) < parallelism:
            _begin_slot(swarm, service, work, slots)
    if work.queue or work.working:
        return
    if work.stopped:
        swarm.updates.pop(service.id, None)
        return
    now = swarm.now()
    if work.monitored_until is None:
        monitor_s = work.config["Monitor"] / SECOND_NS
        work.monitored_until = now + monitor_s
        swarm.agenda.after(monitor_s, lambda: swarm.touch(service.id))
    elif now + _SLACK_S >= work.monitored_until:
        swarm.updates.pop(service.id, None)
        _complete(swarm, service.id)


def _begin_slot(swarm: Swarm, service: Service, work: Update, slots: Slots) -> None:
    """Take the next slot in hand. One that has its clean task is done with at once, but for the delay."""
    slot = work.queue.popleft()
    tasks = updatable(swarm, service, slots.get(slot, []))
    if not tasks:
        return
    replacement = _replace_slot(swarm, service, work, tasks, slot)
    if replacement.task_id is not None or not _is_done(swarm, service, work, replacement):
        work.working[slot] = replacement


def _replace_slot(swarm: Swarm, service: Service, work: Update, tasks: list[Task], slot: SlotKey) -> Replacement:
    """Use the slot's clean task if it has one, else make one; stop the others, first or last as the order says."""
    clean = [task for task in tasks if task.wanted and not is_dirty(swarm, service, task)]
    if clean:
        chosen = max(clean, key=lambda task: task.desired)
        old = _stop(swarm, [task for task in tasks if task.id != chosen.id])
        if chosen.desired < State.RUNNING:
            restarts.hold(swarm, chosen.id, 0, replaces=old)
        return Replacement(None)
    number, node_id = (0, slot) if isinstance(slot, str) else (slot, "")
    fresh = agent.launch(swarm, replace(restarts.new_task(service, number, node_id), desired=State.READY))
    work.updated[fresh.id] = None
    if work.config["Order"] == "start-first":
        restarts.hold(swarm, fresh.id, 0, replaces=None)
        return Replacement(fresh.id, stops=[task.id for task in tasks])
    restarts.hold(swarm, fresh.id, 0, replaces=_stop(swarm, tasks))
    return Replacement(fresh.id)


def _stop(swarm: Swarm, tasks: list[Task]) -> str | None:
    """Stop tasks; one of them that still runs, to wait for."""
    for task in tasks:
        agent.set_desired(swarm, task, State.SHUTDOWN)
    return next((task.id for task in tasks if not task.ended and task.state >= State.ASSIGNED), None)


def _is_done(swarm: Swarm, service: Service, work: Update, replacement: Replacement) -> bool:
    """Whether a slot is through: its new task came up (or failed), the old ones are told to stop, the delay is over."""
    now = swarm.now()
    if replacement.free_at is None:
        if not _came_up(swarm, work, replacement):
            return False
        delay_s = work.config.get("Delay", 0) / SECOND_NS
        replacement.free_at = now + delay_s
        if delay_s:
            swarm.agenda.after(delay_s, lambda: swarm.touch(service.id))
    return now + _SLACK_S >= replacement.free_at


def _came_up(swarm: Swarm, work: Update, replacement: Replacement) -> bool:
    if replacement.task_id is None:
        return True
    task = swarm.store.tasks.get(replacement.task_id)
    if task is None:
        return True
    if task.state < State.RUNNING:
        return False
    if work.updated[task.id] is None:
        work.updated[task.id] = swarm.now()
    if task.state is State.RUNNING:
        _stop(swarm, [old for task_id in replacement.stops if (old := swarm.store.tasks.get(task_id))])
    return True


def _watch(swarm: Swarm, service: Service, work: Update) -> None:
    """Count the new tasks that failed too early, and act when they are too many."""
    if work.stopped or work.config["FailureAction"] == "continue":
        return
    for task_id, started in work.updated.items():
        task = swarm.store.tasks.get(task_id)
        if task is None or not task.ended or task_id in work.failed:
            continue
        monitor_s = work.config["Monitor"] / SECOND_NS
        if started is not None and task.at_ns / 1e9 - started > monitor_s:
            continue
        work.failed.add(task_id)
        if len(work.failed) / work.total > work.config["MaxFailureRatio"]:
            _act(swarm, service, work, task_id)
            return


def _act(swarm: Swarm, service: Service, work: Update, task_id: str) -> None:
    """Pause or roll back. Slots at work are seen through, no others begun."""
    work.stopped = True
    work.queue.clear()
    why = f"due to failure or early termination of task {task_id}"
    if work.rollback:
        _set_status(swarm, service.id, "rollback_paused", f"rollback paused {why}")
    elif work.config["FailureAction"] == "rollback":
        _roll_back(swarm, service.id, f"update rolled back {why}")
    else:
        _set_status(swarm, service.id, "paused", f"update paused {why}")


def _roll_back(swarm: Swarm, service_id: str, message: str) -> None:
    """Automatic rollback: the previous spec is used up, unlike with a manual one (updater.go rollbackUpdate)."""
    service = swarm.store.services[service_id]
    if service.previous_spec is None or service.update_status is None:
        return
    swarm.updates.pop(service_id, None)
    back = replace(
        service,
        spec=service.previous_spec,
        spec_version=service.previous_spec_version,
        previous_spec=None,
        previous_spec_version=0,
        update_status=replace(service.update_status, state="rollback_started", message=message),
    )
    swarm.store.put(back)


def _complete(swarm: Swarm, service_id: str) -> None:
    state = swarm.store.services[service_id].update_state
    if state == "updating":
        _set_status(swarm, service_id, "completed", "update completed")
    elif state == "rollback_started":
        _set_status(swarm, service_id, "rollback_completed", "rollback completed")


def _set_status(swarm: Swarm, service_id: str, state: str, message: str) -> None:
    """Write the update's status; `updating` starts it, `…completed` ends it."""
    service = swarm.store.services[service_id]
    if service.update_status is None and state != "updating":
        return  # written to since the update began: whose status it was is forgotten
    now_ns = swarm.store.now_ns()
    status = service.update_status or UpdateStatus(state, message, started_ns=now_ns)
    completed_ns = now_ns if state.endswith("completed") else status.completed_ns
    status = replace(status, state=state, message=message, completed_ns=completed_ns)
    swarm.store.put(replace(service, update_status=status))
