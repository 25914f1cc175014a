"""An engine, a store and deliveries in memory, with places to let things go wrong."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from funswarm.changes import SnapshotEnd, Snapshotted
from funswarm.commands import SINGLES, Command, SingleCommand
from funswarm.errors import Refused, UnknownObject, VersionConflict
from funswarm.messages import Code, DeadLetter, Result
from funswarm.records import CommandRecord
from funswarm.state import AnyState, NetworkState, ServiceState
from funswarm.subjects import Subjects
from services.engine.others import node_state
from services.scheduler.fold import Services
from services.scheduler.plan import Intent

SUBJECTS = Subjects()
T = TypeVar("T")
ACCEPTED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
Hook = Callable[[], None]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


class FakeEngine:
    """Services by name, as Swarm keeps them. `before`, `after`: called at each write, with the lock open.

    `read`: called when a service has been read, and the answer is on its way.
    """

    def __init__(self, *services: dict[str, Any]) -> None:
        self.services = {one["Spec"]["Name"]: one for one in services}
        self.networks: dict[str, str] = {}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.before: Hook = lambda: None
        self.after: Hook = lambda: None
        self.read: Hook = lambda: None

    async def service_json(self, name_or_id: str) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        answer = copy.deepcopy(self._find(name_or_id))
        self.read()
        return answer

    async def create_service(self, spec: dict[str, Any], registry_auth: str | None = None) -> tuple[str, list[str]]:
        self.before()
        if spec["Name"] in self.services:
            raise Refused("name conflicts with an existing object", Code.NAME_TAKEN)
        service_id = f"id{len(self.writes)}"
        self.services[spec["Name"]] = {"ID": service_id, "Version": {"Index": 1}, "Spec": spec}
        self._wrote(f"create {spec['Name']}")
        return service_id, []

    async def update_service(
        self, service_id: str, version: int, spec: dict[str, Any], *, rollback: bool = False
    ) -> list[str]:
        self.before()
        service = self._find(service_id)
        if service is None:
            raise UnknownObject("gone")
        if version != service["Version"]["Index"]:
            raise VersionConflict("update out of sequence")
        wanted = service["PreviousSpec"] if rollback else spec
        service |= {"PreviousSpec": service["Spec"], "Spec": wanted, "Version": {"Index": version + 1}}
        service["UpdateStatus"] = {"State": "rollback_started"} if rollback else {}
        self._wrote("rollback" if rollback else "update")
        return []

    async def remove_service(self, service_id: str) -> None:
        self.before()
        service = self._find(service_id)
        if service is None:
            raise UnknownObject("gone")
        del self.services[service["Spec"]["Name"]]
        self._wrote("remove")

    async def node_json(self, hostname_or_id: str) -> dict[str, Any] | None:
        node = copy.deepcopy(self.nodes.get(hostname_or_id))
        self.read()
        return node

    async def update_node(self, node_id: str, version: int, spec: dict[str, Any]) -> None:
        self.before()
        node = next(node for node in self.nodes.values() if node["ID"] == node_id)
        if version != node["Version"]["Index"]:
            raise VersionConflict("update out of sequence")
        node |= {"Spec": spec, "Version": {"Index": version + 1}}
        self._wrote(f"node {spec['Availability']}")

    async def picked(
        self, kind: str, pick: Callable[[dict[str, Any]], T | None], filters: Mapping[str, Sequence[str]] | None = None
    ) -> list[T]:
        raws = {"service": [*self.services.values()], "node": [*self.nodes.values()], "task": self.tasks}[kind]
        return [made for raw in raws if (made := pick(raw)) is not None]

    async def list(self, kind: str) -> list[AnyState]:
        if kind == "node":
            return [node_state(node) for node in self.nodes.values()]
        assert kind == "network", f"nobody lists a {kind}"
        return [NetworkState(id=one, name=name, version=0) for name, one in self.networks.items()]

    def _find(self, name_or_id: str) -> dict[str, Any] | None:
        found = (one for one in self.services.values() if name_or_id in (one["ID"], one["Spec"]["Name"]))
        return next(found, None)

    def _wrote(self, what: str) -> None:
        self.writes.append(what)
        self.after()


@dataclass
class FakeStore:
    """Results, intents and dead letters in memory. `before`: called at each call, may raise."""

    results: dict[str, Result] = field(default_factory=dict)
    turned_away: list[Result] = field(default_factory=list)
    intents: dict[str, Intent] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    records: list[CommandRecord] = field(default_factory=list)
    deaths_of: dict[int, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    submitted: list[Command] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None

    async def find(self, command_id: str) -> Result | None:
        self.before("find")
        return self.results.get(command_id)

    async def store(self, result: Result) -> None:
        self.before("store")
        self.results[result.command_id] = result
        self.order.append(result.command_id)

    async def turn_away(self, result: Result) -> None:
        self.before("turn_away")
        self.turned_away.append(result)

    async def submit(self, command: Command, traceparent: str | None) -> None:
        self.before("submit")
        self.submitted.append(command)

    async def bury(self, letter: DeadLetter, verb: str, target: str, sequence: int) -> None:
        self.before("bury")
        self.letters.append(letter)

    async def audit(self, records: Sequence[CommandRecord]) -> None:
        self.before("audit")
        self.records += records

    async def deaths(self, sequence: int) -> int:
        return self.deaths_of.get(sequence, 0)

    async def note_deaths(self, sequence: int, count: int) -> None:
        self.before("note_deaths")
        self.deaths_of[sequence] = count

    async def intent(self, command_id: str) -> Intent | None:
        self.before("intent")
        return self.intents.get(command_id)

    async def note(self, command_id: str, intent: Intent) -> None:
        self.before("note")
        self.intents[command_id] = intent


@dataclass
class FakeDelivery:
    sequence: int
    subject: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    acked: bool = False
    inherited: int = 0
    accepted_at: datetime = ACCEPTED_AT

    async def ack(self) -> None:
        self.acked = True


class Clock:
    """In the place of `datetime`: `ahead` of the machine's clock."""

    ahead = timedelta()

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self.ahead


class Feed:
    """Deliveries to be put in by hand."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[FakeDelivery] = asyncio.Queue()
        self.count = 0

    def put(self, *commands: Command) -> list[FakeDelivery]:
        return [
            self.put_raw(SUBJECTS.command(one.verb, one.target), one.model_dump_json().encode()) for one in commands
        ]

    def put_raw(self, subject: str, body: bytes) -> FakeDelivery:
        self.count += 1
        delivery = FakeDelivery(self.count, subject, body)
        self.queue.put_nowait(delivery)
        return delivery

    async def __aiter__(self) -> AsyncIterator[FakeDelivery]:
        while True:
            yield await self.queue.get()


def command(verb: str, command_id: str = "c1", **fields: Any) -> SingleCommand:
    return SINGLES.validate_python({"id": command_id, "verb": verb, "target": "web", **fields})


def told(*names: str) -> Services:
    """What the feed told: services of these names, each with its name as id."""
    services = Services()
    for name in names:
        state = ServiceState(id=name, name=name, version=1, mode="replicated", image="x")
        services.take(Snapshotted(state))
    services.take(SnapshotEnd(0))
    return services
