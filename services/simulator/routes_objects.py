"""The calls on nodes, networks, secrets and configs."""

from typing import cast

from services.simulator import filters, render
from services.simulator.calls import Call
from services.simulator.cluster import resource_of
from services.simulator.http import Response, answer
from services.simulator.model import ApiError, Node, Resource


async def list_nodes(call: Call) -> Response:
    """All nodes, or those that match."""
    wanted = call.filters("name", "id", "label", "role", "membership", "node.label")
    for role in wanted.get("role", ()):
        if role not in {"manager", "worker"}:
            raise ApiError(500, f"Invalid role filter: '{role}'")
    nodes = [node for node in call.cluster.store.nodes.values() if _node_matches(node, wanted)]
    return answer([render.node(node, call.cluster.version.engine) for node in nodes])


def _node_matches(node: Node, wanted: filters.Wanted) -> bool:
    return (
        filters.starts(node.hostname, wanted.get("name"))
        and filters.starts(node.id, wanted.get("id"))
        and filters.is_any(node.role, wanted.get("role"))
        and filters.is_any("accepted", wanted.get("membership"))
        and filters.labelled(node.spec.get("Labels") or {}, wanted.get("node.label"))
        and filters.labelled({}, wanted.get("label"))
    )


async def inspect_node(call: Call) -> Response:
    """One node; `self` is the one that answers."""
    node = cast("Node", call.cluster.store.resolve("node", _reference(call)))
    return answer(render.node(node, call.cluster.version.engine))


def _reference(call: Call) -> str:
    if call.captured[0] != "self":
        return call.captured[0]
    return next(node.id for node in call.cluster.store.nodes.values() if node.leader)


async def update_node(call: Call) -> Response:
    """Write a node's spec."""
    call.cluster.update_node(call.captured[0], call.version("node"), call.request.json())
    return Response()


async def remove_node(call: Call) -> Response:
    """Remove a node."""
    call.cluster.remove_node(call.captured[0], force=call.flag("force"))
    return Response()


async def list_networks(call: Call) -> Response:
    """All networks, or those that match."""
    wanted = call.filters("dangling", "driver", "id", "label", "name", "scope", "type")
    networks = call.cluster.store.resources["network"].values()
    return answer([render.network(network) for network in networks if _network_matches(network, wanted)])


def _network_matches(network: Resource, wanted: filters.Wanted) -> bool:
    custom = network.name not in {"bridge", "host", "none", "docker_gwbridge", "ingress"}
    return (
        filters.found(network.name, wanted.get("name"))
        and filters.found(network.id, wanted.get("id"))
        and filters.is_any(network.spec.get("Driver") or "bridge", wanted.get("driver"))
        and filters.is_any(network.spec.get("Scope", "swarm"), wanted.get("scope"))
        and filters.is_any("custom" if custom else "builtin", wanted.get("type"))
        and filters.labelled(network.spec.get("Labels") or {}, wanted.get("label"))
    )


async def create_network(call: Call) -> Response:
    """A new network."""
    network = call.cluster.resources.create_network(call.request.json())
    return answer({"Id": network.id, "Warning": ""}, 201)


async def inspect_network(call: Call) -> Response:
    """One network."""
    return answer(render.network(resource_of(call.cluster, "network", call.captured[0]), verbose=True))


async def remove_network(call: Call) -> Response:
    """Remove a network."""
    call.cluster.resources.remove("network", call.captured[0])
    return Response(204)


async def list_resources(call: Call) -> Response:
    """All secrets or configs, or those that match."""
    wanted = call.filters("name", "names", "id", "label")
    shown = [
        render.secret_or_config(item)
        for item in call.cluster.store.resources[call.captured[0]].values()
        if filters.starts(item.name, wanted.get("name"))
        and filters.is_any(item.name, wanted.get("names"))
        and filters.starts(item.id, wanted.get("id"))
        and filters.labelled(item.spec.get("Labels") or {}, wanted.get("label"))
    ]
    return answer(shown)


async def create_resource(call: Call) -> Response:
    """A new secret or config."""
    item = call.cluster.resources.create(call.captured[0], call.request.json())
    return answer({"ID": item.id}, 201)


async def inspect_resource(call: Call) -> Response:
    """One secret or config."""
    kind, reference = call.captured
    return answer(render.secret_or_config(resource_of(call.cluster, kind, reference)))


async def remove_resource(call: Call) -> Response:
    """Remove a secret or config."""
    kind, reference = call.captured
    call.cluster.resources.remove(kind, reference)
    return Response(204)
