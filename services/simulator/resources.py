"""Networks, secrets and configs of the simulated Swarm, and the endpoint that the allocator gives a service.

No I/O. Texts: moby daemon/cluster, swarmkit manager/controlapi/{secret,config,network}.go.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, cast

from services.simulator.model import ApiError, Json, Resource, Service, invalid
from services.simulator.store import Store, new_id

_NAME = re.compile(r"^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$")
_FIRST_PORT = 30000


def default_networks() -> list[Resource]:
    """The networks that each manager has."""
    ingress = {"Name": "ingress", "Driver": "overlay", "Scope": "swarm", "Ingress": True}
    local = (("bridge", "bridge"), ("host", "host"), ("none", "null"), ("docker_gwbridge", "bridge"))
    return [
        Resource("network", new_id(), ingress),
        *(
            Resource("network", secrets.token_hex(32), {"Name": name, "Driver": driver, "Scope": "local"})
            for name, driver in local
        ),
    ]


class Resources:
    """What can be done with networks, secrets and configs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_network(self, posted: Mapping[str, Any]) -> Resource:
        """A new network: an overlay is the Swarm's, any other driver's is local."""
        name = posted.get("Name") or ""
        if not name:
            raise ApiError(400, "network name cannot be empty")
        if self._store.find_by_name("network", name):
            raise ApiError(409, f"network with name {name} already exists")
        overlay = posted.get("Driver") == "overlay"
        spec = {**posted, "Scope": "swarm" if overlay else "local"}
        if overlay and not (posted.get("IPAM") or {}).get("Config"):
            number = len(self._store.resources["network"])
            block = f"10.{number >> 8 & 255}.{number & 255}"
            subnet = {"Subnet": f"{block}.0/24", "Gateway": f"{block}.1"}
            spec["IPAM"] = {"Driver": "default", "Options": None, "Config": [subnet]}
        return self._store.put(Resource("network", new_id() if overlay else secrets.token_hex(32), spec))

    def create(self, kind: str, posted: Mapping[str, Any]) -> Resource:
        """A new secret or config (`kind`)."""
        name = posted.get("Name") or ""
        if not _NAME.match(name) or len(name) > 64:
            allowed = "only 64 [a-zA-Z0-9-_.] characters allowed"
            raise invalid(f"invalid name, {allowed}, and the start and end character must be [a-zA-Z0-9]")
        if kind == "secret" and not posted.get("Data") and not posted.get("Driver"):
            raise invalid("secret data must be larger than 0 and less than 512000 bytes")
        if self._store.find_by_name(kind, name):
            raise ApiError(409, f"rpc error: code = AlreadyExists desc = {kind} {name} already exists")
        return self._store.put(Resource(kind, new_id(), dict(posted)))

    def remove(self, kind: str, reference: str) -> None:
        """Remove a network, secret or config (`kind`) that no service uses."""
        item = cast("Resource", self._store.resolve(kind, reference))
        users = [service.name for service in self._store.services.values() if _uses(service, item)]
        if users and kind == "network":
            text = f"network {item.id} is in use by service {self._service_id(users[0])}"
            raise ApiError(400, f"rpc error: code = FailedPrecondition desc = {text}")
        if users:
            word = "service" if len(users) == 1 else "services"
            raise invalid(f"{kind} '{item.name}' is in use by the following {word}: {', '.join(users)}")
        if item.spec.get("Scope") == "local" and item.name in {"bridge", "host", "none"}:
            raise ApiError(403, f"{item.name} is a pre-defined network and cannot be removed")
        self._store.delete(item)

    def _service_id(self, name: str) -> str:
        service = self._store.find_by_name("service", name)
        return service.id if service else name

    def resolved_networks(self, networks: list[Json]) -> list[Json]:
        """Attachments with their targets by ID, whichever way they were given."""
        resolved = []
        for attachment in networks:
            network = self._network(attachment.get("Target", ""))
            if network.spec.get("Scope") == "local" and network.name not in {"host", "bridge", "none"}:
                only = "Only networks scoped to the swarm can be used, such as those created with the overlay driver."
                raise ApiError(403, f"The network {network.name} cannot be used with services. {only}")
            if network.spec.get("Ingress"):
                raise invalid(f'Service cannot be explicitly attached to the ingress network "{network.name}"')
            resolved.append({**attachment, "Target": network.id})
        return resolved

    def _network(self, reference: str) -> Resource:
        """Of all references only this one answers 500 when it finds nothing (daemon/cluster/helpers.go getNetwork)."""
        try:
            return cast("Resource", self._store.resolve("network", reference))
        except ApiError as error:
            raise ApiError(500, error.message) from error

    def endpoint(self, service: Service) -> Json | None:
        """Ports and addresses as the allocator gives them; None where the spec asks for none."""
        spec = service.spec.get("EndpointSpec")
        networks = service.template.get("Networks") or []
        if not (spec or {}).get("Ports") and not networks:
            return None
        ports = [{**port, "PublishedPort": self._port(service, port)} for port in (spec or {}).get("Ports") or ()]
        endpoint: Json = {"Spec": spec or {"Mode": "vip"}}
        if ports:
            endpoint["Ports"] = ports
        if (spec or {}).get("Mode", "vip") == "vip":
            ingress = [self._store.find_by_name("network", "ingress")] if ports else []
            attached = [network["Target"] for network in networks] + [item.id for item in ingress if item]
            addresses = [{"NetworkID": target, "Addr": _address(service.id, target)} for target in attached]
            if addresses:
                endpoint["VirtualIPs"] = addresses
        return endpoint

    def _port(self, service: Service, port: Json) -> int:
        """The published port: the asked one, the one had before, else the next free one from 30000 on."""
        if port.get("PublishedPort") or port["PublishMode"] == "host":
            return int(port.get("PublishedPort", 0))
        for old in (service.endpoint or {}).get("Ports") or ():
            if old.get("TargetPort") == port.get("TargetPort"):
                return int(old["PublishedPort"])
        services = self._store.services.values()
        taken = {p["PublishedPort"] for other in services for p in (other.endpoint or {}).get("Ports") or ()}
        return next(number for number in range(_FIRST_PORT, 1 << 16) if number not in taken)


def _uses(service: Service, item: Resource) -> bool:
    if item.kind == "network":
        return any(network["Target"] == item.id for network in service.template.get("Networks") or ())
    key = item.kind.capitalize()
    references = service.template["ContainerSpec"].get(f"{key}s") or ()
    return any(reference[f"{key}ID"] == item.id for reference in references)


def _address(service_id: str, network_id: str) -> str:
    """An address that stays the same for one service on one network."""
    number = int(service_id[-6:], 36) + int(network_id[-6:], 36)
    return f"10.{number >> 16 & 63 | 64}.{number >> 8 & 255}.{number & 255 or 1}/24"
