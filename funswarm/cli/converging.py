"""The wait until a service has converged, shown as docker service create does. I/O by `Client`.

The scheduler's second result has the last word; the poller is asked for what to show meanwhile.
"""

import asyncio
from contextlib import suppress
from typing import Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from funswarm.cli import tables
from funswarm.cli.session import console
from funswarm.client import Client
from funswarm.errors import TemporaryError, UnknownObject
from funswarm.messages import Result
from funswarm.outcome import is_pending
from funswarm.state import ServiceState, TaskState

INTERVAL_S: Final = 0.5
_LIVE: Final = ("running", "ready")  # desired states of tasks that Swarm wants there


def counted(service: ServiceState, tasks: tuple[TaskState, ...]) -> tuple[int, int, str]:
    """Running tasks, wanted tasks, and what the others do, as `preparing 2, starting 1`."""
    wanted = [task for task in tasks if task.desired_state in _LIVE]
    running = sum(task.state == "running" for task in wanted)
    others = sorted({task.state for task in wanted} - {"running"})
    words = ", ".join(f"{state} {sum(task.state == state for task in wanted)}" for state in others)
    return running, service.replicas if service.replicas is not None else len(wanted), words


async def wait_until_converged(client: Client, result: Result, timeout_s: float) -> Result:
    """Show the progress on stderr until the result tells how the service has settled, or the time is over.

    The result as it is then; pending still where it was over.
    """
    terminal = console(stderr=True)
    columns = (TextColumn("{task.fields[name]}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    seen: ServiceState | None = None
    try:
        async with asyncio.timeout(timeout_s):
            with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
                bar = progress.add_task("", name=result.service_name or result.target, words="submitted", total=None)
                while is_pending(result):
                    seen, tasks = await _look(client, result)
                    if seen is not None:
                        running, wanted, words = counted(seen, tasks)
                        text = ", ".join(word for word in (f"{running}/{wanted} running", words, _reason(seen)) if word)
                        progress.update(bar, completed=running, total=max(wanted, 1), words=text)
                    with suppress(TemporaryError):  # the time-out bounds it
                        result = await client.result(result.command_id) or result
                    if is_pending(result):
                        await asyncio.sleep(INTERVAL_S)
    except TimeoutError:
        terminal.print(f"{result.target} has not converged within {timeout_s:g} s: {_status(seen)}", style="red")
        return result
    for line in tables.convergence(result):
        terminal.print(line)
    return result


async def _look(client: Client, result: Result) -> tuple[ServiceState | None, tuple[TaskState, ...]]:
    """The service as the poller knows it; None: not yet, no more, or the poller is away."""
    service_id = result.service_id or result.target
    try:
        return await client.service(service_id), await client.tasks(service=service_id)
    except (UnknownObject, TemporaryError):
        return None, ()


def _reason(service: ServiceState) -> str:
    return service.condition.reason or ""


def _status(service: ServiceState | None) -> str:
    if service is None:
        return "the poller does not tell of it"
    reason = f": {service.condition.reason}" if service.condition.reason else ""
    return f"{service.condition.status.value}{reason}"
