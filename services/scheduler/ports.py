"""What the scheduler needs of the world, as protocols: the engine's raw calls, the store on NATS, a delivery."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from funswarm.commands import Command
from funswarm.errors import TemporaryError
from funswarm.messages import DeadLetter, Result
from funswarm.records import CommandRecord
from funswarm.state import AnyState
from services.scheduler.plan import Intent

T = TypeVar("T")


class Superseded(TemporaryError):
    """This copy is no longer the active one: whatever it was about to do is another's to do."""


class EngineCalls(Protocol):
    """`services.engine.Engine`; errors as there."""

    async def service_json(self, name_or_id: str) -> dict[str, Any] | None: ...

    async def node_json(self, hostname_or_id: str) -> dict[str, Any] | None: ...

    async def update_node(self, node_id: str, version: int, spec: dict[str, Any]) -> None: ...

    async def create_service(self, spec: dict[str, Any], registry_auth: str | None = None) -> tuple[str, list[str]]: ...

    async def update_service(
        self, service_id: str, version: int, spec: dict[str, Any], *, rollback: bool = False
    ) -> list[str]: ...

    async def remove_service(self, service_id: str) -> None: ...

    async def picked(
        self, kind: str, pick: Callable[[dict[str, Any]], T | None], filters: Mapping[str, Sequence[str]] | None = None
    ) -> list[T]: ...

    async def list(self, kind: str) -> list[AnyState]: ...


class Store(Protocol):
    """Results, intents and dead letters. All raise Unavailable while NATS is away; a repeated write is harmless."""

    async def find(self, command_id: str) -> Result | None: ...

    async def store(self, result: Result) -> None: ...

    async def turn_away(self, result: Result) -> None: ...

    async def submit(self, command: Command, traceparent: str | None) -> None: ...

    async def bury(self, letter: DeadLetter, verb: str, target: str, sequence: int) -> None: ...

    async def audit(self, records: Sequence[CommandRecord]) -> None: ...

    async def deaths(self, sequence: int) -> int: ...

    async def note_deaths(self, sequence: int, count: int) -> None: ...

    async def intent(self, command_id: str) -> Intent | None: ...

    async def note(self, command_id: str, intent: Intent) -> None: ...


class SettledStore(Protocol):
    """Second results; errors as of `Store`."""

    async def settle(self, result: Result) -> None: ...

    def pending(self) -> AsyncIterator[Result]: ...


class Delivery(Protocol):
    """One command as the work queue handed it over; `sequence`: its place there. Kept in hand until `ack`.

    `accepted_at`: when NATS stored it. `inherited`: how many of the last copies had it in hand.
    """

    @property
    def sequence(self) -> int: ...

    @property
    def accepted_at(self) -> datetime: ...

    @property
    def inherited(self) -> int: ...

    @property
    def subject(self) -> str: ...

    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def ack(self) -> None: ...
