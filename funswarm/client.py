"""The client of Funswarm: commands, queries, health and the feed of changes, over one connection to NATS. I/O.

async with Client() as client:
    check(await client.scale("web", 3))
    async for item in client.changes(kinds=["service"]):
        print(item)
"""
# ruff: noqa: A002  `id` is the command's own word

import ssl
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

from pydantic import ValidationError

from funswarm.access import DEFAULT_SERVERS, Access
from funswarm.changes import Changes
from funswarm.errors import InvalidRequest, UnknownObject
from funswarm.explain import explain
from funswarm.health import ask_health, gather_metrics, gather_parts
from funswarm.link import Link
from funswarm.messages import (
    COMMANDS,
    Command,
    Expect,
    Health,
    NodePage,
    PartHealth,
    Query,
    Result,
    ServicePage,
    ServiceSummary,
    SummaryPage,
    TaskPage,
)
from funswarm.outcome import Accepted
from funswarm.querying import ask, ask_pages
from funswarm.selection import Selection
from funswarm.since import Since, starting_point
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.state import NodeState, ServiceState, TaskState
from funswarm.subjects import DEFAULT_PREFIX, Subjects
from funswarm.submitting import read_result, submit

WAIT_S: Final = 30.0


class Client:
    """One Swarm's Funswarm.

    Every command returns its `Result` (succeeded, refused or failed: `check` turns the latter two into exceptions), or
    `Accepted` where it was not finished within `wait_s` seconds; with `wait_s=0` it is not waited for. A command is
    done exactly once per `id`: repeat an unclear one with the same id.

    All calls raise Unavailable where NATS or the part that must answer is away, PermanentError where NATS does not
    permit them, and InvalidRequest for what cannot be meant.
    """

    def __init__(
        self,
        url: str | Sequence[str] = DEFAULT_SERVERS,
        *,
        prefix: str = DEFAULT_PREFIX,
        name: str = "funswarm",
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        credentials: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`url`: one or more NATS servers, e.g. `nats://127.0.0.1:4222`. `name`: who asks, for NATS and for results.

        `credentials` is the path of a .creds file.
        """
        servers = (url,) if isinstance(url, str) else tuple(url)
        try:
            self._subjects = Subjects(prefix)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error
        self._name = name
        self._link = Link(Access(servers, name, user, password, token, credentials, tls))

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connects now instead of at the first call.

        Raises:
            Unavailable: NATS is not reached; a later call tries again.
        """
        await self._link.open()

    async def close(self) -> None:
        """Ends the connection, within seconds also where NATS is away."""
        await self._link.close()

    # Commands.

    async def create(
        self,
        spec: ServiceSpec,
        *,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Creates a service."""
        about = self._about(id, spec.name, deadline, dry_run, expect)
        return await self.submit(_command(verb="create", service=spec, **about), wait_s, traceparent)

    async def update(
        self,
        name: str,
        changes: ServicePatch,
        *,
        force: bool = False,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Sets the fields that `changes` names; the others stay. `force`: also in the middle of a rollout."""
        about = self._about(id, name, deadline, dry_run, expect)
        return await self.submit(_command(verb="update", changes=changes, force=force, **about), wait_s, traceparent)

    async def scale(
        self,
        name: str,
        replicas: int,
        *,
        force: bool = False,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Sets the replicas. `force`: also in the middle of a rollout, which ends its way back."""
        about = self._about(id, name, deadline, dry_run, expect)
        return await self.submit(_command(verb="scale", replicas=replicas, force=force, **about), wait_s, traceparent)

    async def restart(
        self,
        name: str,
        *,
        force: bool = False,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Replaces all tasks. `force`: also in the middle of a rollout."""
        about = self._about(id, name, deadline, dry_run, expect)
        return await self.submit(_command(verb="restart", force=force, **about), wait_s, traceparent)

    async def rollback(
        self,
        name: str,
        *,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Goes back to the previous spec."""
        about = self._about(id, name, deadline, dry_run, expect)
        return await self.submit(_command(verb="rollback", **about), wait_s, traceparent)

    async def remove(
        self,
        name: str,
        *,
        id: str | None = None,
        deadline: datetime | None = None,
        dry_run: bool = False,
        expect: Expect | None = None,
        wait_s: float = WAIT_S,
        traceparent: str | None = None,
    ) -> Result | Accepted:
        """Removes the service."""
        about = self._about(id, name, deadline, dry_run, expect)
        return await self.submit(_command(verb="remove", **about), wait_s, traceparent)

    async def submit(
        self, command: Command, wait_s: float = WAIT_S, traceparent: str | None = None
    ) -> Result | Accepted:
        """Hands over a command as it is, and waits up to `wait_s` for its result.

        Raises:
            Refused: `Code.CONFLICT`, another command has had this id.
        """
        return await submit(self._link, self._subjects, command, wait_s, traceparent)

    async def result(self, command_id: str) -> Result | None:
        """How the command ended; None: not yet, or there is no such command (any more)."""
        return await read_result(self._link, self._subjects, command_id)

    # Queries.

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

    async def tasks(self, service: str | None = None, node: str | None = None) -> tuple[TaskState, ...]:
        """All tasks; only those of a service, only those on a node, each by name or id."""
        query = Query(service=service, node=node, limit=1000)
        return await ask_pages(self._link, self._subjects.query("tasks"), query, TaskPage.model_validate_json)

    async def nodes(self) -> tuple[NodeState, ...]:
        """All nodes, by name."""
        query, understand = Query(limit=1000), NodePage.model_validate_json
        found = await ask_pages(self._link, self._subjects.query("nodes"), query, understand)
        return tuple(sorted(found, key=lambda node: node.name))

    async def node(self, name: str) -> NodeState:
        """One node, by hostname or id.

        Raises:
            UnknownObject: there is none.
        """
        page = await ask(self._link, self._subjects.query("nodes"), Query(name=name), NodePage.model_validate_json)
        if not page.items:
            raise UnknownObject(f"there is no node {name!r}")
        return page.items[0]

    async def metrics(self) -> str:
        """The metrics of all copies of all parts, in Prometheus' text format."""
        return await gather_metrics(self._link, self._subjects)

    # The feed.

    def changes(
        self,
        *,
        kinds: Collection[str] = (),
        names: Collection[str] = (),
        actions: Collection[str] = (),
        since: Since = None,
    ) -> Changes:
        """What changes in the Swarm, from now on or from `since`, without an end: see `Changes`.

        `kinds` (service, task, node …), `names` (of services with their tasks, of nodes …) and `actions` (created,
        running, converged …) select, all of them where empty. `since`: after this sequence; from this time on; so long
        ago (`"10m"`). None: a snapshot of what there is, then the changes.
        """
        start = starting_point(since, datetime.now(UTC))
        return Changes(
            self._link, self._subjects, Selection(frozenset(kinds), frozenset(names), frozenset(actions)), start
        )

    def _about(
        self, command_id: str | None, target: str, deadline: datetime | None, dry_run: bool, expect: Expect | None
    ) -> dict[str, Any]:
        """What every command has."""
        return {
            "id": uuid.uuid4().hex if command_id is None else command_id, "target": target, "deadline": deadline,
            "dry_run": dry_run, "expect": expect or Expect(), "requested_by": self._name,
        }  # fmt: skip


def _command(**fields: Any) -> Command:
    try:
        return COMMANDS.validate_python(fields)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from error
