"""Where the tasks of a service are reached: on which of its networks, and at which addresses. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.api.world import Reach, Service, Task, World

_INGRESS: Final = "ingress"


@dataclass(frozen=True, slots=True)
class Network:
    """The one that is used. `doubt`: why it may be the wrong one."""

    id: str
    doubt: str | None = None


def network_of(world: World, service: Service, wanted: str | None) -> Network | None:
    """The network `wanted` by name or id; else the only one of the service; None: it has none.

    Where it is not there or there are several, the first by name, and a doubt. The ingress network counts for nothing:
    it is where published ports come in, and no proxy is on it.
    """
    there = _networks(world, service)
    if not there:
        return None
    names = [name for name, _ in there]
    if wanted is not None:
        for name, network_id in there:
            if wanted in (name, network_id):
                return Network(network_id)
        return Network(there[0][1], f"it is not on the network {wanted!r} but on {_list(names)}: {names[0]} is used")
    if len(there) > 1:
        why = f"it is on the networks {_list(names)}, and {names[0]} is used: name one in traefik.swarm.network"
        return Network(there[0][1], why)
    return Network(there[0][1])


def task_address(world: World, task: Task, network: Network | None) -> str | None:
    """Where a task is reached: on the network, else on the first by name (it is of before the service changed its
    networks); on the node's own network that is the node. None: nowhere.
    """
    reaches = [reach for reach in task.addresses if network is not None and reach.network_id == network.id]
    reaches += sorted(
        (reach for reach in task.addresses if reach.network != _INGRESS), key=lambda reach: reach.network or ""
    )
    return next((address for reach in reaches if (address := reach.address or _node_address(world, task))), None)


def virtual_ip(service: Service, network: Network | None) -> str | None:
    """Where a service as a whole is reached on a network; None: nowhere, as with DNS round robin."""
    if network is None:
        return None
    return next((reach.address for reach in service.virtual_ips if reach.network_id == network.id), None)


def host_and_port(address: str, port: str) -> str:
    """As in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _networks(world: World, service: Service) -> list[tuple[str, str]]:
    """(name, id) of the networks of a service, by name; the name is the id where it is not known."""
    reaches: list[Reach] = [*service.virtual_ips]
    for task in world.tasks.get(service.id, ()):
        reaches += task.addresses
    found = {reach.network_id: reach.network or world.networks.get(reach.network_id) or reach.network_id
             for reach in reaches}  # fmt: skip
    named = {network_id: name for network_id, name in found.items() if {network_id, name} & {*service.networks}}
    return sorted((name, network_id) for network_id, name in named.items())


def _node_address(world: World, task: Task) -> str | None:
    node = world.nodes.get(task.node_id or "")
    return node.address or None if node is not None else None


def _list(names: Sequence[str] | Iterable[str]) -> str:
    return ", ".join(names)
