"""What can be asked of Funswarm's parts: health, services, tasks, nodes, metrics. I/O by `Link`."""

from funswarm.errors import UnknownNode, UnknownObject
from funswarm.health import ask_health, gather_metrics, gather_parts
from funswarm.link import Link
from funswarm.messages import Health, NodePage, PartHealth, Query, ServicePage, ServiceSummary, SummaryPage, TaskPage
from funswarm.places import TaskPlace, place_of
from funswarm.querying import ask, ask_pages
from funswarm.state import NodeState, ServiceState, TaskState
from funswarm.subjects import Subjects
from funswarm.task_routes import NO_ROUTING, TaskRouting


class Queries:
    """The questions of a Client; they raise what it says."""

    def __init__(self, link: Link, subjects: Subjects) -> None:
        self._link = link
        self._subjects = subjects

    async def parts(self) -> tuple[PartHealth, ...]:
        """What each copy of each part says of itself; empty where none answers."""
        return tuple(await gather_parts(self._link, self._subjects))

    async def summaries(self) -> tuple[ServiceSummary, ...]:
        """All services at a glance, by name."""
        query, understand = Query(limit=1000), SummaryPage.model_validate_json
        found = await ask_pages(self._link, self._subjects.query("summary"), query, understand)
        return tuple(sorted(found, key=lambda service: service.name))

    async def health(self) -> Health:
        """How the parts are and which services run; also says it where NATS is away (`ok` False, with the reason)."""
        return await ask_health(self._link, self._subjects)

    async def services(self) -> tuple[ServiceState, ...]:
        """All services, by name."""
        query, understand = Query(limit=1000), ServicePage.model_validate_json
        found = await ask_pages(self._link, self._subjects.query("services"), query, understand)
        return tuple(sorted(found, key=lambda service: service.name))

    async def service(self, name: str) -> ServiceState:
        """One service, by name or id.

        Raises:
            UnknownObject: there is none.
        """
        understand = ServiceState.model_validate_json
        return await ask(self._link, self._subjects.query("service"), Query(name=name), understand)

    async def tasks(
        self, service: str | None = None, node: str | None = None, name: str | None = None
    ) -> tuple[TaskState, ...]:
        """All tasks; only those of a service, only those on a node, only those that are called so, by name or id."""
        query = Query(service=service, node=node, name=name, limit=1000)
        return await ask_pages(self._link, self._subjects.query("tasks"), query, TaskPage.model_validate_json)

    async def task(self, name: str, routing: TaskRouting = NO_ROUTING) -> TaskPlace:
        """One task, where it is and how it is reached: by its slot (`web.1`), its node (`agent.node-1`), or its id.

        `routing`: as the api is told by FUNSWARM_TASKS_EXPOSE and FUNSWARM_TASKS_DOMAIN.

        Raises:
            UnknownObject: there is none; the text says which there are.
        """
        of, dot, _ = name.partition(".")  # a service's name has no dot
        if not dot:
            called = await self.tasks(name=name) or [one for one in await self.tasks() if one.id.startswith(name)]
            if not called:
                raise UnknownObject(f"there is no task {name!r}: `funswarm ps SERVICE` lists the tasks of a service")
            of = called[0].service_id
        service = await self.service(of)
        tasks = await self.tasks(service=service.id)
        return place_of(name, service, tasks, await self.nodes(), routing)

    async def nodes(self) -> tuple[NodeState, ...]:
        """All nodes, by name."""
        query, understand = Query(limit=1000), NodePage.model_validate_json
        found = await ask_pages(self._link, self._subjects.query("nodes"), query, understand)
        return tuple(sorted(found, key=lambda node: node.name))

    async def node(self, name: str) -> NodeState:
        """One node, by hostname or id.

        Raises:
            UnknownNode: there is none.
        """
        page = await ask(self._link, self._subjects.query("nodes"), Query(name=name), NodePage.model_validate_json)
        if not page.items:
            raise UnknownNode(f"there is no node {name!r}")
        return page.items[0]

    async def metrics(self) -> str:
        """The metrics of all copies of all parts, in Prometheus' text format."""
        return await gather_metrics(self._link, self._subjects)
