"""Answers to `query.*`: what the active poller knows, in pages. Pure but for the bytes in and out.

Answered from the published states, so an answer agrees with the events. A page ends at `limit` objects or before it
would be too large for a NATS message; `next` goes on from there.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, TypeVar

from pydantic import ValidationError

from funswarm.errors import InvalidRequest, Unavailable, UnknownObject
from funswarm.messages import NodePage, Query, ServicePage, ServiceSummary, SummaryPage, TaskPage
from funswarm.state import AnyState, NodeState, ServiceState, TaskState, Value
from funswarm.subjects import Subjects
from services.poller.known import Known
from services.poller.slots import counts, slots_of
from services.poller.view import View

PAGE_BYTES_MAX: Final = 900_000
Handler = Callable[[bytes], Awaitable[bytes]]
V = TypeVar("V", bound=Value)


class Queries:
    """The questions to the active poller; refused until all was listed once (`ready`).

    `look(name)` is awaited before it is said that there is no such service: it may have been created just now.
    """

    def __init__(
        self, known: Known, view: View, cluster: str, ready: Callable[[], bool], look: Callable[[str], Awaitable[None]]
    ) -> None:
        self._known = known
        self._view = view
        self._cluster = cluster
        self._ready = ready
        self._look = look
        self._sorted: Final[dict[str, tuple[int, list[str]]]] = {}

    def endpoints(self, subjects: Subjects) -> Mapping[str, Handler]:
        """The handler of each subject."""
        handlers: dict[str, Callable[[Query], Value]] = {
            "summary": self.summary,
            "services": self.services,
            "tasks": self.tasks,
            "nodes": self.nodes,
            "service": self.service,
        }
        return {subjects.query(name): self._handler(handle) for name, handle in handlers.items()}

    def summary(self, query: Query) -> SummaryPage:
        """Services at a glance."""
        services = (self._summary(state) for state in self._select("service", query) if isinstance(state, ServiceState))
        items, following = _page(services, query.limit)
        return SummaryPage(items=items, cluster=self._cluster, next=following)

    def services(self, query: Query) -> ServicePage:
        """Services, whole."""
        states = (state for state in self._select("service", query) if isinstance(state, ServiceState))
        items, following = _page(states, query.limit)
        return ServicePage(items=items, next=following)

    def service(self, query: Query) -> ServiceState:
        """The one service of this name or id.

        Raises:
            UnknownObject: there is none.
        """
        for state in self._select("service", query):
            if query.name and isinstance(state, ServiceState):
                return state
        raise UnknownObject(f"there is no service {query.name!r}")

    def tasks(self, query: Query) -> TaskPage:
        """Tasks: all, of a service, on a node."""
        tasks = (state for state in self._select("task", query) if isinstance(state, TaskState))
        wanted = (task for task in tasks if _belongs(task, query))
        items, following = _page(wanted, query.limit)
        return TaskPage(items=items, next=following)

    def nodes(self, query: Query) -> NodePage:
        """Nodes."""
        states = (state for state in self._select("node", query) if isinstance(state, NodeState))
        items, following = _page(states, query.limit)
        return NodePage(items=items, next=following)

    def _handler(self, handle: Callable[[Query], Value]) -> Handler:
        async def answer(body: bytes) -> bytes:
            try:
                query = Query.model_validate_json(body or b"{}")
            except ValidationError as error:
                raise InvalidRequest(f"the body is no Query: {error}") from error
            if not self._ready():
                raise Unavailable("the poller has not listed the whole Swarm yet")
            try:
                found = handle(query)
            except UnknownObject:
                await self._look(query.name or "")
                found = handle(query)
            return found.model_dump_json().encode()

        return answer

    def _select(self, kind: str, query: Query) -> Iterator[AnyState]:
        """The states of a kind after `query.after`, in the order of their ids; with the name or id where one is asked.

        Tasks of one service are found by the index of the view; the others by looking through all.
        """
        states = self._known.of(kind)
        ids = self._ids(kind)
        for object_id in ids[bisect_right(ids, query.after or "") :]:
            state = states[object_id]
            if query.name is None or query.name in (state.name, state.id):
                yield state

    def _ids(self, kind: str) -> list[str]:
        members = self._known.members[kind]
        cached = self._sorted.get(kind)
        if cached is None or cached[0] != members:
            cached = self._sorted[kind] = (members, sorted(self._known.of(kind)))
        return cached[1]

    def _summary(self, service: ServiceState) -> ServiceSummary:
        tasks = self._view.tasks_of(service.id)
        counted = counts(service, slots_of(service, tasks, self._view.nodes()))
        return ServiceSummary(
            id=service.id,
            name=service.name,
            image=service.image,
            mode=service.mode,
            running=sum(task.state == "running" and task.desired_state == "running" for task in tasks),
            desired=counted.desired,
            ports=service.ports,
            updated_at=service.updated_at,
            condition=service.condition,
        )


def _belongs(task: TaskState, query: Query) -> bool:
    return (query.service is None or query.service in (task.service_id, task.service_name)) and (
        query.node is None or query.node in (task.node_id, task.node_name)
    )


def _page(items: Iterator[V], limit: int) -> tuple[tuple[V, ...], str | None]:
    """One page of the items, and the id to go on after where there are more."""
    page: list[V] = []
    size = 0
    for item in items:
        size += len(item.model_dump_json().encode())
        if page and (len(page) == limit or size > PAGE_BYTES_MAX):
            return tuple(page), getattr(page[-1], "id")  # noqa: B009  all pages' items have one
        page.append(item)
    return tuple(page), None
