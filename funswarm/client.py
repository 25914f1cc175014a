"""The client of Funswarm: commands, queries, health and the feed of changes, over one connection to NATS. I/O.

async with Client() as client:
    check(await client.scale("web", 3))
    async for item in client.changes(kinds=["service"]):
        print(item)
"""

import secrets
import ssl
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

from pydantic import ValidationError

from funswarm.access import DEFAULT_SERVERS, Access
from funswarm.changes import Changes
from funswarm.commands import (
    ActivateCommand,
    BatchCommand,
    BatchItem,
    Command,
    CommandBase,
    CreateCommand,
    DrainCommand,
    PauseCommand,
    RebalanceCommand,
    RemoveCommand,
    RestartCommand,
    RollbackCommand,
    RunCommand,
    ScaleCommand,
    UpdateCommand,
)
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.hooking import Hooks
from funswarm.hooks import Delivered, Hook, HookStatus
from funswarm.how import How
from funswarm.link import Link
from funswarm.messages import Result
from funswarm.outcome import Accepted
from funswarm.past import Past
from funswarm.schedules import Cancelled, Schedule, Scheduled
from funswarm.scheduling import Schedules
from funswarm.selection import Selection
from funswarm.since import Since, starting_point
from funswarm.spec import ServicePatch, ServiceSpec
from funswarm.subjects import DEFAULT_PREFIX, Subjects
from funswarm.submitting import read_result, submit

DEFAULT: Final = How()
Outcome = Result | Accepted


class Client(Past):
    """One Swarm's Funswarm.

    Every command returns its `Result` (succeeded, refused or failed: `check` turns the latter two into exceptions), or
    `Accepted` where it was not finished within `how.wait_s` seconds; with 0 it is not waited for. A command is done
    exactly once per `how.id`: repeat an unclear one with the same id.

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
        super().__init__(Link(Access(servers, name, user, password, token, credentials, tls)), subjects, name)

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

    @property
    def connected(self) -> bool:
        """Whether NATS was there when we last heard of it; it is reconnected to for ever."""
        return self._link.connected

    async def close(self) -> None:
        """Ends the connection, within seconds also where NATS is away."""
        await self._link.close()

    # Commands.

    async def create(self, spec: ServiceSpec, *, how: How = DEFAULT) -> Outcome:
        """Creates a service."""
        return await self._do(CreateCommand, spec.name, how, {"service": spec})

    async def update(self, name: str, changes: ServicePatch, *, force: bool = False, how: How = DEFAULT) -> Outcome:
        """Sets the fields that `changes` names; the others stay. `force`: also in the middle of a rollout."""
        return await self._do(UpdateCommand, name, how, {"changes": changes, "force": force})

    async def scale(self, name: str, replicas: int, *, force: bool = False, how: How = DEFAULT) -> Outcome:
        """Sets the replicas. `force`: also in the middle of a rollout, which ends its way back."""
        return await self._do(ScaleCommand, name, how, {"replicas": replicas, "force": force})

    async def restart(self, name: str, *, force: bool = False, how: How = DEFAULT) -> Outcome:
        """Replaces all tasks. `force`: also in the middle of a rollout."""
        return await self._do(RestartCommand, name, how, {"force": force})

    async def rebalance(self, name: str, *, how: How = DEFAULT) -> Outcome:
        """Has its tasks spread evenly over its nodes, by surges: it is only begun; `decisions` tell how it goes."""
        return await self._do(RebalanceCommand, name, how, {})

    async def rollback(self, name: str, *, how: How = DEFAULT) -> Outcome:
        """Goes back to the previous spec."""
        return await self._do(RollbackCommand, name, how, {})

    async def remove(self, name: str, *, how: How = DEFAULT) -> Outcome:
        """Removes the service."""
        return await self._do(RemoveCommand, name, how, {})

    async def run(self, name: str, replicas: int | None = None, *, force: bool = False, how: How = DEFAULT) -> Outcome:
        """Runs a job once more, or a service whose tasks end by themselves; tasks of the run before are stopped.

        `replicas`: how many tasks; None: as many as it has, at least one. `force`: also in the middle of a rollout.
        """
        return await self._do(RunCommand, name, how, {"replicas": replicas, "force": force})

    async def pause(self, node: str, *, how: How = DEFAULT) -> Outcome:
        """Gives a node (hostname or id) no new tasks; those that it has stay."""
        return await self._do(PauseCommand, node, how, {})

    async def drain(self, node: str, *, graceful: bool = False, how: How = DEFAULT) -> Outcome:
        """Takes all tasks from a node (hostname or id), and gives it no new ones.

        `graceful`: when as many run elsewhere; until then it is paused. Activating it ends that.
        """
        return await self._do(DrainCommand, node, how, {"graceful": graceful})

    async def activate(self, node: str, *, how: How = DEFAULT) -> Outcome:
        """Gives a node (hostname or id) tasks again."""
        return await self._do(ActivateCommand, node, how, {})

    async def batch(self, commands: Sequence[BatchItem], name: str = "batch", *, how: How = DEFAULT) -> Outcome:
        """Does several commands, each after those that it depends on; all are checked before the first is done.

        Its result says in `items` how each ended; it comes when the last has.
        """
        return await self._do(BatchCommand, name, how, {"commands": tuple(commands)})

    async def submit(self, command: Command, how: How = DEFAULT) -> Outcome:
        """Hands over a command as it is, and waits for its result as `how` says; its other fields are not looked at.

        Raises:
            Refused: `Code.CONFLICT`, another command has had this id.
        """
        return await self._submit(command, how)

    async def result(self, command_id: str) -> Result | None:
        """How the command ended; None: not yet, or there is no such command (any more)."""
        return await read_result(self._link, self._subjects, command_id)

    # Schedules: commands that are to be done later, or again and again.

    async def schedule(
        self, schedule: Schedule, *, requested_by: str | None = None, namespaces: Collection[str] = ()
    ) -> Scheduled:
        """Puts a schedule, in the place of an earlier one of its name. Its command says who asked for it, and what
        namespaces that one may act in; `requested_by` and `namespaces` do where they are given.

        Raises:
            Refused: there are too many, or there is one of others by this name.
        """
        asked_by = requested_by or schedule.command.requested_by or self._name
        command = schedule.command.model_copy(update={"requested_by": asked_by})
        return await self._schedules(namespaces).put(schedule.model_copy(update={"command": command}))

    async def schedules(self, *, namespaces: Collection[str] = ()) -> tuple[Scheduled, ...]:
        """All that are to fire still, by name; of those put in `namespaces` only, where some are given."""
        return await self._schedules(namespaces).all()

    async def scheduled(self, name: str, *, namespaces: Collection[str] = ()) -> Scheduled:
        """One schedule, with the result of its last firing.

        Raises:
            UnknownSchedule: there is none of that name (any more).
        """
        return await self._schedules(namespaces).read(name)

    async def cancel(self, name: str, *, namespaces: Collection[str] = ()) -> Cancelled:
        """Takes a schedule away: once this returns it does not fire any more. A firing from before is told.

        Raises:
            UnknownSchedule: there is none of that name (any more).
        """
        return await self._schedules(namespaces).cancel(name)

    def _schedules(self, namespaces: Collection[str]) -> Schedules:
        return Schedules(self._link, self._subjects, namespaces)

    # Webhooks.

    async def hooks(self) -> tuple[HookStatus, ...]:
        """All webhooks and how they do, by name; their secrets are hidden."""
        return await self._hooks().all()

    async def hook(self, name: str) -> HookStatus:
        """One of them.

        Raises:
            UnknownHook: there is none of that name.
        """
        return await self._hooks().one(name)

    async def put_hook(self, hook: Hook) -> HookStatus:
        """Puts a webhook, in the place of one of its name, which goes on where it was; a new one begins now.

        Raises:
            InvalidRequest: its URL is not allowed, or it names a secret that is not there.
            Failed: it is one of the notifier's file, or there are too many.
        """
        return await self._hooks().put(hook)

    async def pause_hook(self, name: str, *, paused: bool = True) -> HookStatus:
        """Sends nothing until it is resumed (`paused` False): then all that is still kept. Raises as `remove_hook`."""
        return await self._hooks().pause(name, paused=paused)

    async def remove_hook(self, name: str) -> None:
        """Takes a webhook away, with all that it was to be told still.

        Raises:
            UnknownHook: there is none of that name.
            Failed: it is one of the notifier's file.
        """
        await self._hooks().remove(name)

    async def test_hook(self, name: str) -> Delivered:
        """Sends it an event of the type `funswarm.test`, once, now.

        Raises:
            UnknownHook: there is none of that name.
        """
        return await self._hooks().test(name)

    def _hooks(self) -> Hooks:
        return Hooks(self._link, self._subjects)

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

    async def _do(self, kind: type[CommandBase], target: str, how: How, arguments: Mapping[str, Any]) -> Outcome:
        """One command of that kind: `arguments` are its own fields.

        Raises:
            InvalidRequest: it cannot be meant.
        """
        fields = {
            **arguments, "id": secrets.token_hex(16) if how.id is None else how.id, "target": target,
            "expect": how.expect, "deadline": how.deadline, "dry_run": how.dry_run,
            "requested_by": how.requested_by or self._name, "namespaces": how.namespaces,
        }  # fmt: skip
        try:
            command = kind.model_validate(fields)
        except ValidationError as error:
            raise InvalidRequest(explain(error)) from error
        return await self._submit(cast("Command", command), how, new_id=how.id is None)

    async def _submit(self, command: Command, how: How, *, new_id: bool = False) -> Outcome:
        return await submit(self._link, self._subjects, command, how, new_id=new_id)
