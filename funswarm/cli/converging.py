"""The wait until a service has converged, shown as docker service create does. Asks the poller by `Client`."""

import asyncio
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from funswarm.cli.session import ExitCode, console
from funswarm.cli.tables import STYLES
from funswarm.client import Client
from funswarm.errors import TemporaryError, UnknownObject
from funswarm.messages import Result
from funswarm.state import ConditionStatus, ServiceState, TaskState

INTERVAL_S: Final = 0.5
_LIVE: Final = ("running", "ready")  # desired states of tasks that Swarm wants there


def verdict(service: ServiceState, result: Result) -> ExitCode | None:
    """How the service's convergence after that command ended; None: it goes on.

    A state older than the command's own write says nothing yet.
    """
    if service.version < (result.version or 0):
        return None
    match service.condition.status:
        case ConditionStatus.CONVERGED:
            return ExitCode.OK
        case ConditionStatus.ROLLED_BACK:
            return ExitCode.OK if result.verb == "rollback" else ExitCode.REFUSED
        case _:
            paused = service.update_status is not None and service.update_status.state.endswith("paused")
            return ExitCode.REFUSED if paused else None


def counted(service: ServiceState, tasks: tuple[TaskState, ...]) -> tuple[int, int, str]:
    """Running tasks, wanted tasks, and what the others do, as `preparing 2, starting 1`."""
    wanted = [task for task in tasks if task.desired_state in _LIVE]
    running = sum(task.state == "running" for task in wanted)
    others = sorted({task.state for task in wanted} - {"running"})
    words = ", ".join(f"{state} {sum(task.state == state for task in wanted)}" for state in others)
    return running, service.replicas if service.replicas is not None else len(wanted), words


async def wait_until_converged(client: Client, result: Result, timeout_s: float) -> ExitCode:
    """Show the progress on stderr until the service has converged, was rolled back, or the time is over."""
    terminal = console(stderr=True)
    columns = (TextColumn("{task.fields[name]}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    seen: ServiceState | None = None
    try:
        async with asyncio.timeout(timeout_s):
            with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
                bar = progress.add_task("", name=result.service_name or result.target, words="submitted", total=None)
                while True:
                    seen, tasks = await _look(client, result, seen)
                    if seen is not None:
                        running, wanted, words = counted(seen, tasks)
                        text = ", ".join(word for word in (f"{running}/{wanted} running", words, _reason(seen)) if word)
                        progress.update(bar, completed=running, total=max(wanted, 1), words=text)
                        if (code := verdict(seen, result)) is not None:
                            break
                    await asyncio.sleep(INTERVAL_S)
    except TimeoutError:
        terminal.print(f"{result.target} has not converged within {timeout_s:g} s: {_status(seen)}", style="red")
        return ExitCode.REFUSED
    except UnknownObject:
        terminal.print(f"{result.target} was removed meanwhile", style="red")
        return ExitCode.REFUSED
    terminal.print(f"{seen.name} {_status(seen)}", style=STYLES.get(seen.condition.status.value))
    return code


async def _look(
    client: Client, result: Result, seen: ServiceState | None
) -> tuple[ServiceState | None, tuple[TaskState, ...]]:
    """The service as the poller knows it; None: it has not heard of it yet.

    Raises:
        UnknownObject: it was there and is gone.
    """
    service_id = result.service_id or result.target
    try:
        return await client.service(service_id), await client.tasks(service=service_id)
    except UnknownObject:
        if seen is not None:
            raise
        return None, ()
    except TemporaryError:  # a poller that is being replaced: the time-out bounds it
        return seen, ()


def _reason(service: ServiceState) -> str:
    return service.condition.reason or ""


def _status(service: ServiceState | None) -> str:
    if service is None:
        return "the poller has not seen it"
    reason = f": {service.condition.reason}" if service.condition.reason else ""
    return f"{service.condition.status.value}{reason}"
