"""What a placement preview is made from: raw nodes and tasks in the few words that Swarm's scheduler decides by. Pure.

Made on demand, for a dry run only: a scheduler keeps none of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from funswarm.state import ENDED_STATES
from services.scheduler.raw_service import Json

Port = tuple[str, int]  # protocol and number
WANTED: Final = ("running", "ready", "accepted", "complete")  # desired states of tasks that are not given up


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is reserved, or there is to reserve; `generic` by kind."""

    cpu_nano: int
    memory_bytes: int
    generic: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.cpu_nano or self.memory_bytes or self.generic)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node. `values`: by the constraint's key; `plugins`: (type, name), None where the node does not tell them."""

    id: str
    name: str
    state: str
    availability: str
    values: Mapping[str, str]
    labels: Mapping[str, str]
    engine_labels: Mapping[str, str]
    room: Amounts
    plugins: frozenset[tuple[str, str]] | None

    @property
    def available(self) -> bool:
        """Whether it gets new tasks."""
        return self.state == "ready" and self.availability == "active"

    @property
    def gone(self) -> bool:
        """Whether its tasks are to run elsewhere (swarmkit orchestrator.InvalidNode)."""
        return self.state == "down" or self.availability == "drain"


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task that is wanted and has not ended; `node_id` empty: it waits for a node.

    `is_behind`: it is yet of another spec than its service, to which its rollout has not come yet.
    """

    id: str
    service_id: str
    slot: int
    node_id: str
    running: bool
    reserved: Amounts
    is_behind: bool = False


def node_facts(raw: Json) -> NodeFacts:
    """A node, as the engine lists it."""
    spec, status = raw.get("Spec") or {}, raw.get("Status") or {}
    description = raw.get("Description") or {}
    platform, engine = description.get("Platform") or {}, description.get("Engine")
    values = {
        "node.id": raw["ID"],
        "node.hostname": description.get("Hostname") or "",
        "node.ip": status.get("Addr") or "",
        "node.role": spec.get("Role") or "",
        "node.platform.os": platform.get("OS") or "",
        "node.platform.arch": platform.get("Architecture") or "",
    }
    plugins = None if engine is None else engine.get("Plugins") or ()
    return NodeFacts(
        id=raw["ID"],
        name=values["node.hostname"] or raw["ID"],
        state=status.get("State") or "unknown",
        availability=spec.get("Availability") or "active",
        values=values,
        labels=spec.get("Labels") or {},
        engine_labels=(engine or {}).get("Labels") or {},
        room=amounts(description.get("Resources")),
        plugins=None if plugins is None else frozenset((one.get("Type", ""), one.get("Name", "")) for one in plugins),
    )


def task_facts(raw: Json, rolls_on: Json | None = None) -> TaskFacts | None:
    """A task, as the engine lists it; None for one that has ended, or is of no service.

    `rolls_on`: a raw service whose rollout a write lets go on, so that it counts which of its tasks are behind.
    """
    status = raw.get("Status") or {}
    if not raw.get("ServiceID") or status.get("State") in ENDED_STATES:
        return None
    return TaskFacts(
        id=raw["ID"],
        service_id=raw["ServiceID"],
        slot=raw.get("Slot") or 0,
        node_id=raw.get("NodeID") or "",
        running=status.get("State") == "running",
        reserved=reserved(raw.get("Spec") or {}),
        is_behind=rolls_on is not None and raw["ServiceID"] == rolls_on["ID"] and _is_behind(raw, rolls_on),
    )


def _is_behind(task: Json, service: Json) -> bool:
    apart: Json = {
        "Placement": None,
        "Runtime": None,
    }  # a rollout leaves that alone; the engine tells it of services only
    template, of_task = service["Spec"].get("TaskTemplate") or {}, task.get("Spec") or {}
    return {**of_task, **apart} != {**template, **apart}


def reserved(template: Json) -> Amounts:
    """What a task of this template reserves."""
    return amounts((template.get("Resources") or {}).get("Reservations"))


def amounts(raw: Json | None) -> Amounts:
    """Resources, as specs and nodes give them alike."""
    given = raw or {}
    return Amounts(given.get("NanoCPUs") or 0, given.get("MemoryBytes") or 0, _generic(given.get("GenericResources")))


def _generic(raws: Iterable[Json] | None) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for raw in raws or ():
        if discrete := raw.get("DiscreteResourceSpec"):
            counts[discrete.get("Kind", "")] += discrete.get("Value", 0)
        elif named := raw.get("NamedResourceSpec"):
            counts[named.get("Kind", "")] += 1
    return counts


def host_ports(spec: Json) -> frozenset[Port]:
    """The ports of a service's spec that each of its tasks takes on its node."""
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or ()
    return frozenset(
        (port.get("Protocol") or "tcp", port["PublishedPort"])
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    )
