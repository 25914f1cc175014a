"""What the commands of a batch come to together: published ports that two would have, quotas that they exceed. Pure.

Each is looked at among what will be there when its turn comes: the services as they are, changed by the commands that
it depends on; and beside it what commands may bring that are done before or after it, as it happens. SwarmKit's rule
for ports: one in mode ingress is its service's alone; in mode host several services may have one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from funswarm.commands import (
    BatchCommand,
    CreateCommand,
    RemoveCommand,
    RollbackCommand,
    ScaleCommand,
    SingleCommand,
    UpdateCommand,
)
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.namespaces import namespace_of
from funswarm.order import ancestors, in_order
from funswarm.spec import ServiceSpec
from funswarm.spec_parts import PortUse
from services.scheduler.admission.policy import Policy
from services.scheduler.admission.rules import weight
from services.scheduler.raw_service import Json

Port = tuple[str, int, str]  # protocol, published, mode
INGRESS: Final = "ingress"
OVER_QUOTA: Final = "[quotas]"  # as admission begins what it says of one


@dataclass(frozen=True, slots=True)
class Share:
    """What a service has of what there is only so much of. `weight`: its replicas, as quotas count them."""

    id: str | None
    name: str
    namespace: str
    weight: int
    ports: frozenset[Port]
    before: "Share | None" = None  # by its previous spec


World = dict[str, Share]  # by the service's name


def share_of(raw: Json) -> Share:
    """Of a service as the engine lists it."""
    previous = raw.get("PreviousSpec")
    return _share(raw["ID"], raw["Spec"], _share(raw["ID"], previous, None) if previous else None)


def _share(service_id: str, spec: Json, before: Share | None) -> Share:
    name, ports = spec["Name"], (spec.get("EndpointSpec") or {}).get("Ports") or ()
    taken = {
        (port.get("Protocol") or "tcp", int(port["PublishedPort"]), port.get("PublishMode") or INGRESS)
        for port in ports
        if port.get("PublishedPort")
    }
    namespace = namespace_of(name, spec.get("Labels"))
    return Share(service_id, name, namespace, weight(spec), frozenset(taken), before)


def needs_services(batch: BatchCommand, policy: Policy | None) -> bool:
    """Whether it matters which services there are."""
    fields = [getattr(one, "service", None) or getattr(one, "changes", None) for one in batch.singles().values()]
    return bool(policy and policy.quotas) or any(one.ports for one in fields if one is not None)


def clashes(batch: BatchCommand, services: Iterable[Share], policy: Policy | None) -> Mapping[str, Refused]:
    """Why a command does not go together with the others, or with what is there; by its name in the batch."""
    singles, before, order = batch.singles(), ancestors(batch.edges), in_order(batch.edges)
    there = {share.name: share for share in services}
    afters = {name: _after(_world(there, order, before[name], singles), singles[name]) for name in order}
    found: dict[str, Refused] = {}
    for name, new in afters.items():
        if new is None:
            continue
        world = _world(there, order, before[name], singles)
        old = world.pop(new.name, None)
        beside = (one for one in order if one != name and one not in before[name] and name not in before[one])
        others = [share for one in beside if (share := afters[one]) is not None and share.name != new.name]
        ports = list(_port_clashes(old, new, [*world.values(), *others], batch.namespaces))
        if reasons := [*ports, *_over_quota(old, new, world, others, policy)]:
            found[name] = Refused("; ".join(reasons), Code.CONFLICT if ports else Code.ADMISSION)
    return found


def _world(there: World, order: list[str], done: Collection[str], singles: Mapping[str, SingleCommand]) -> World:
    """What is there when these commands are done."""
    world = dict(there)
    for command in (singles[name] for name in order if name in done):
        after = _after(world, command)
        world.pop(_name(world, command), None)
        if after is not None:
            world[after.name] = after
    return world


def _name(world: World, command: SingleCommand) -> str:
    return next((share.name for share in world.values() if share.id == command.target), command.target)


def _after(world: World, command: SingleCommand) -> Share | None:
    """What its service has after it; None: there is none, or it is no service's command."""
    if isinstance(command, CreateCommand):
        return _of_new(command.service)
    share = world.get(_name(world, command))
    match command:
        case _ if share is None:
            return None
        case RemoveCommand():
            return None
        case RollbackCommand():
            return share.before or share
        case ScaleCommand():
            return replace(share, weight=command.replicas)
        case UpdateCommand():
            changes = command.changes
            count = changes.replicas if changes.total is None else changes.total
            ports = share.ports if changes.ports is None else _ports(changes.ports)
            return replace(share, ports=ports, weight=share.weight if count is None else count)
    return share


def _of_new(spec: ServiceSpec) -> Share:
    count = 1
    if spec.mode == "replicated":
        count = 1 if spec.replicas is None else spec.replicas
    elif spec.mode == "replicated-job":
        count = spec.total if spec.total is not None else spec.max_concurrent or 1
    return Share(None, spec.name, namespace_of(spec.name, spec.labels), count, _ports(spec.ports or ()))


def _ports(ports: Iterable[PortUse]) -> frozenset[Port]:
    return frozenset((port.protocol, port.published, port.mode) for port in ports if port.published)


def _port_clashes(old: Share | None, new: Share, others: Collection[Share], bound: Collection[str]) -> Iterator[str]:
    """`bound`: who asks may know the names of services in these namespaces only; none: of all."""
    shown = {share.name: repr(share.name) if not bound or share.namespace in bound else "another" for share in others}
    taken = {port: shown[share.name] for share in others for port in share.ports}
    for protocol, number, mode in sorted(new.ports - (old.ports if old else frozenset())):
        rivals = ("ingress", "host") if mode == INGRESS else ("ingress",)
        if owner := next((taken[key] for rival in rivals if (key := (protocol, number, rival)) in taken), None):
            yield f"port {number}/{protocol} would be published by {new.name!r} and {owner}: only one service can"


def _over_quota(
    old: Share | None, new: Share, world: World, others: list[Share], policy: Policy | None
) -> Iterator[str]:
    """As admission says it of one (rules.py), of all that may be there by then."""
    quota = policy.quota(new.namespace) if policy else None
    if quota is None or (old is not None and new.weight <= old.weight):
        return
    there = {share.name: share.weight for share in world.values() if share.namespace == new.namespace}
    for share in others:
        if share.namespace == new.namespace:
            there[share.name] = max(share.weight, there.get(share.name, 0))
    said = f"{OVER_QUOTA} with the others of the batch the namespace {new.namespace!r} would have"
    if old is None and quota.services is not None and len(there) + 1 > quota.services:
        yield f"{said} {len(there) + 1} services of {quota.services}"
    count = sum(there.values()) + new.weight
    if quota.replicas is not None and count > quota.replicas:
        yield f"{said} {count} replicas of {quota.replicas}"
