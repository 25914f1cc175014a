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
from typing import Any, Final, Self, TypeVar

from pydantic import ValidationError

from funswarm.access import DEFAULT_SERVERS, Access
from funswarm.changes import Changes
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.link import Link
from funswarm.messages import (
    Command,
    CommandBase,
    CreateCommand,
    Expect,
    RemoveCommand,
    RestartCommand,
    Result,
    RollbackCommand,
    ScaleCommand,
    UpdateCommand,
)
from funswarm.outcome import Accepted
from funswarm.queries import Queries
from funswarm.selection import Selection
from funswarm.since import Since, starting_point
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.subjects import DEFAULT_PREFIX, Subjects
from funswarm.submitting import read_result, submit

WAIT_S: Final = 30.0

C = TypeVar("C", bound=CommandBase)


class Client(Queries):
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
            subjects = Subjects(prefix)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error
        super().__init__(Link(Access(servers, name, user, password, token, credentials, tls)), subjects)
        self._name = name

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
        return await self.submit(_command(CreateCommand, about | {"service": spec}), wait_s, traceparent)

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
        return await self.submit(
            _command(UpdateCommand, about | {"changes": changes, "force": force}), wait_s, traceparent
        )

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
        return await self.submit(
            _command(ScaleCommand, about | {"replicas": replicas, "force": force}), wait_s, traceparent
        )

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
        command = _command(RestartCommand, about | {"force": force})
        return await self.submit(command, wait_s, traceparent)

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
        command = _command(RollbackCommand, about)
        return await self.submit(command, wait_s, traceparent)

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
        command = _command(RemoveCommand, about)
        return await self.submit(command, wait_s, traceparent)

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


def _command(kind: type[C], fields: dict[str, Any]) -> C:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from error
