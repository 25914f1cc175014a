"""A World in one call: services by what their labels say, each with ready tasks on the network `net`."""

import json
from typing import Any

from services.api.traefik.documents import Documents
from services.api.traefik.settings import TraefikSettings
from services.api.world import Node, Reach, Service, Task, World

NET = "network-net"
PORT = {"traefik.http.services.web.loadbalancer.server.port": "80"}
RULE = {"traefik.http.routers.web.rule": "Host(`web.example`)"}


def a_service(name="web", labels=None, *, created_at="2026-11-01T08:00:00Z", networks=(NET,), vips=(), **others):
    values: dict[str, Any] = {"mode": "replicated", "replicas": 1, "ports": ()} | others
    return Service(
        id=f"service-{name}", name=name, created_at=created_at, labels=labels or {}, networks=networks,
        virtual_ips=vips, **values,
    )  # fmt: skip


def a_task(
    service="web", slot=1, *, reaches=None, state="running", desired_state="running", node_id="node-alpha", since=""
):
    addresses = (Reach(NET, "net", f"10.0.1.{slot}"),) if reaches is None else reaches
    return Task(
        id=f"task-{service}-{slot}", service_id=f"service-{service}", slot=slot, node_id=node_id, node_name="alpha",
        created_at="2026-11-01T08:00:00Z", state=state, desired_state=desired_state, addresses=addresses, since=since,
    )  # fmt: skip


def a_world(*services, tasks=None, nodes=(), revision=1, networks=None):
    """`tasks` None: one ready task of each service."""
    if tasks is None:
        tasks = [a_task(service.name) for service in services]
    of = {service.id: tuple(task for task in tasks if task.service_id == service.id) for service in services}
    return World(
        revision, {one.id: one for one in services}, of, {one.id: one for one in nodes}, networks or {NET: "net"}
    )


def a_node(name="alpha", state="ready", address="192.0.2.1"):
    return Node(f"node-{name}", name, state, "active", address)


def document(world, **settings):
    return Documents(TraefikSettings(**{"retry": False} | settings)).of(world)


def content(world, **settings):
    return json.loads(document(world, **settings).body)


def servers(world, name="web", family="http", **settings):
    balancer = content(world, **settings)[family]["services"][name]["loadBalancer"]
    return [server.get("url") or server["address"] for server in balancer["servers"]]


def problems(world, **settings):
    told = document(world, **settings).problems
    return [(problem.service, problem.label) for some in told.values() for problem in some]


def reasons(world, **settings):
    return " ".join(problem.reason for some in document(world, **settings).problems.values() for problem in some)
