"""What of the Swarm a caller sees: all of it, or the services of their namespaces with their tasks. I/O by the Client.

Of a task only its service's name is known, and that is asked for its label once for each stream.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from funswarm.changes import Changed, Changes, Item, Snapshotted
from funswarm.client import Client
from funswarm.commands import SERVICE_VERBS
from funswarm.errors import Failed, UnknownObject
from funswarm.messages import Health, Result
from funswarm.places import TaskPlace
from funswarm.records import CommandRecord, record_of
from funswarm.state import AnyState, ServiceState, TaskState
from funswarm.task_routes import TaskRouting
from services.api.access import Caller


class Feed(Protocol):
    """The feed of changes, as a stream of events needs it."""

    @property
    def sequence(self) -> int | None: ...

    async def open(self) -> None: ...

    async def next(self, timeout_s: float) -> Item | None: ...

    async def aclose(self) -> None: ...


async def services_of(client: Client, caller: Caller) -> tuple[ServiceState, ...]:
    """The services that the caller sees, by name."""
    return tuple(service for service in await client.services() if caller.sees(service))


async def service_of(client: Client, caller: Caller, name: str) -> ServiceState:
    """One service, by name or id.

    Raises:
        UnknownObject: there is none; said of others' services in the same words.
    """
    service = await client.service(name)
    if not caller.sees(service):
        raise UnknownObject(f"there is no service {name!r}")
    return service


async def tasks_of(client: Client, caller: Caller, service: str | None, node: str | None) -> tuple[TaskState, ...]:
    """The tasks of the services that the caller sees."""
    tasks = await client.tasks(service=service, node=node)
    if not caller.namespaces:
        return tasks
    ids = {one.id for one in await services_of(client, caller)}
    return tuple(task for task in tasks if task.service_id in ids)


async def task_of(client: Client, caller: Caller, name: str, routing: TaskRouting) -> TaskPlace:
    """One task of a service that the caller sees, by slot, node or id.

    Raises:
        UnknownObject: there is none; said of others' tasks in the same words.
    """
    try:
        found = await client.task(name, routing)
        await service_of(client, caller, found.task.service_id)
    except UnknownObject as error:
        if not caller.namespaces:
            raise
        raise UnknownObject(f"there is no task {name!r}") from error  # what there is instead may be others'
    return found


async def health_of(client: Client, caller: Caller) -> Health:
    """How all is, with the services that the caller sees."""
    health = await client.health()
    if not caller.namespaces or not (health.services or health.problems):
        return health
    seen = await services_of(client, caller)
    ids, names = {service.id for service in seen}, {service.name for service in seen}
    services = tuple(one for one in health.services if one.id in ids)
    problems = tuple(one for one in health.problems if one.service in names)
    return health.model_copy(update={"services": services, "problems": problems})


async def result_of(client: Client, caller: Caller, command_id: str) -> Result | None:
    """A command's result; None: there is none yet, or none that the caller sees."""
    result = await client.result(command_id)
    if result is None or not caller.namespaces or result.requested_by == caller.name:
        return result
    is_shown = await commands_shown(client, caller)
    return None if is_shown and not is_shown(record_of(result)) else result


async def waits_for(client: Client, caller: Caller, command_id: str) -> bool:
    """Whether a command that the caller sees waits to be done."""
    record = await client.waiting_command(command_id)
    if record is None or not caller.namespaces or record.requested_by == caller.name:
        return record is not None
    is_shown = await commands_shown(client, caller)
    return is_shown is None or is_shown(record)


async def commands_shown(client: Client, caller: Caller) -> Callable[[CommandRecord], bool] | None:
    """Which records the caller sees: their own commands', and those about services that they see; None: all.

    Of a service that is gone its name is all that is left to go by.
    """
    if not caller.namespaces:
        return None
    sees: dict[str, bool] = {}
    for service in await client.services():
        sees[service.name] = sees[service.id] = caller.sees(service)

    def is_shown(record: CommandRecord) -> bool:
        about_service = record.command_id is not None and record.verb in SERVICE_VERBS
        theirs = about_service and sees.get(record.target, caller.may_see(record.target))
        return theirs or record.requested_by == caller.name

    return is_shown


def feed_of(feed: Changes, client: Client, caller: Caller) -> Feed:
    """The feed as the caller may see it."""
    return _Filtered(feed, client, caller) if caller.namespaces else feed


class _Filtered:
    """Services of the caller's namespaces, and their tasks."""

    def __init__(self, feed: Feed, client: Client, caller: Caller) -> None:
        self._feed = feed
        self._client = client
        self._caller = caller
        self._known: dict[str, bool] = {}  # a service's name -> whether it is seen

    @property
    def sequence(self) -> int | None:
        return self._feed.sequence

    async def open(self) -> None:
        await self._feed.open()

    async def next(self, timeout_s: float) -> Item | None:
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        while (left_s := end - clock()) > 0:
            item = await self._feed.next(left_s)
            if item is None or await self._shows(item):
                return item
        return None

    async def aclose(self) -> None:
        await self._feed.aclose()

    async def _shows(self, item: Item) -> bool:
        if isinstance(item, Snapshotted):
            return await self._sees(item.state)
        if not isinstance(item, Changed):
            return True
        try:
            state = item.event.after or item.event.before
        except Failed:  # of another version: who cannot be told from others is not shown
            return False
        return state is not None and await self._sees(state)

    async def _sees(self, state: AnyState) -> bool:
        if isinstance(state, ServiceState):
            self._known[state.name] = self._caller.sees(state)
            return self._known[state.name]
        if not isinstance(state, TaskState) or not self._caller.may_see(state.service_name):
            return False
        if state.service_name not in self._known:
            try:
                service = await self._client.service(state.service_name)
            except UnknownObject:  # it is gone, and its name is all that is left
                return True
            self._known[state.service_name] = self._caller.sees(service)
        return self._known[state.service_name]
