"""What the containers of a node's tasks have used so far, as the engine counts. `counters_of` is pure."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from funswarm.errors import Failed, UnknownObject

TASK_LABEL: Final = "com.docker.swarm.task.id"
AT_ONCE_MAX: Final = 4
CONTAINERS_MAX: Final = 5000

Ask = Callable[[str, Mapping[str, str]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Counters:
    """Of one task, at that moment: nanoseconds of CPU since its start, bytes of memory without the page cache."""

    read_at: datetime
    cpu_nano: int
    memory_bytes: int


async def read_usage(ask: Ask) -> dict[str, Counters]:
    """By the task's id. A container that ends meanwhile, or that the engine has no numbers of, is left out.

    Raises:
        FunswarmError: the engine does not answer; then nothing more is asked of it.
    """
    listed = await ask("/containers/json", {"filters": f'{{"label": ["{TASK_LABEL}"]}}'})
    tasks = {one["Id"]: one["Labels"][TASK_LABEL] for one in listed[:CONTAINERS_MAX]}
    slots = asyncio.Semaphore(AT_ONCE_MAX)

    async def read(container: str) -> Counters | None:
        async with slots:
            try:
                return counters_of(await ask(f"/containers/{container}/stats", {"stream": "0", "one-shot": "1"}))
            except (Failed, UnknownObject):
                return None

    try:
        async with asyncio.TaskGroup() as group:
            reads = {task: group.create_task(read(container)) for container, task in tasks.items()}
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return {task: one for task, done in reads.items() if (one := done.result()) is not None}


def counters_of(raw: Any) -> Counters | None:
    """The engine's stats; None: of a container that does not run. Cgroups 2 have `inactive_file`, 1 `total_…`."""
    try:
        memory = raw["memory_stats"]
        stats = memory.get("stats") or {}
        cache = stats.get("inactive_file", stats.get("total_inactive_file", 0))
        return Counters(
            read_at=_moment(raw["read"]),
            cpu_nano=int(raw["cpu_stats"]["cpu_usage"]["total_usage"]),
            memory_bytes=max(0, int(memory["usage"]) - int(cache)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _moment(text: str) -> datetime:
    whole, dot, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}{dot}{fraction[:6].ljust(6, '0') if dot else ''}+00:00")
