"""States in one call, for tests: name what the test is about, the rest is an ordinary running Swarm.

Pure. Ids are derived from names, so `a_task(service="web", slot=2)` belongs to `a_service("web")`.
"""

from datetime import UTC, datetime
from typing import Any

from funswarm.changes import Changed
from funswarm.messages import Event
from funswarm.state import (
    AnyState,
    Condition,
    ConditionStatus,
    ConfigState,
    EngineState,
    NetworkState,
    NodeState,
    SecretState,
    ServiceState,
    TaskState,
    UpdateStatus,
)

CREATED_AT = "2026-11-01T08:00:00.000000001Z"
UPDATED_AT = "2026-11-01T08:00:05.000000002Z"
OBSERVED_AT = datetime(2026, 11, 1, 8, 0, 6, tzinfo=UTC)
CLUSTER = "cluster-1"
CONVERGED = Condition(status=ConditionStatus.CONVERGED)


def a_service(name: str = "web", *, replicas: int | None = 1, version: int = 10, **others: Any) -> ServiceState:
    """A replicated service `<name>`, id `service-<name>`, unless `mode=` says otherwise; converged."""
    labels = others.get("labels", {})
    image = others.get("image", "nginx:1.27")
    spec = {"Name": name, "Labels": labels, "TaskTemplate": {"ContainerSpec": {"Image": image}}}
    values: dict[str, Any] = {
        "id": f"service-{name}",
        "name": name,
        "version": version,
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
        "mode": "replicated",
        "replicas": replicas,
        "image": image,
        "spec": spec | {"Mode": {"Replicated": {"Replicas": replicas}}} if replicas is not None else spec,
        "condition": CONVERGED,
    }
    if isinstance(others.get("update_status"), str):
        others["update_status"] = UpdateStatus(state=others["update_status"])
    return ServiceState(**values | others)


def a_task(
    service: str = "web", slot: int | None = 1, *, state: str = "running", node: str | None = "alpha", **others: Any
) -> TaskState:
    """A task of `service` in `slot` on `node` (both by name), id `task-<service>-<slot or node>`, wanted running."""
    values: dict[str, Any] = {
        "id": f"task-{service}-{slot or node}",
        "name": f"{service}.{slot or (node and f'node-{node}')}",
        "version": 20,
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
        "service_id": f"service-{service}",
        "service_name": service,
        "slot": slot,
        "node_id": node and f"node-{node}",
        "node_name": node,
        "state": state,
        "desired_state": "running",
        "timestamp": UPDATED_AT,
        "message": "started" if state == "running" else "",
        "image": "nginx:1.27",
    }
    return TaskState(**values | others)


def a_node(name: str = "alpha", *, state: str = "ready", availability: str = "active", **others: Any) -> NodeState:
    """A manager `<name>`, id `node-<name>`."""
    values: dict[str, Any] = {
        "id": f"node-{name}",
        "name": name,
        "version": 30,
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
        "role": "manager",
        "availability": availability,
        "state": state,
        "address": "192.0.2.1",
        "engine_version": "29.0.0",
        "os": "linux",
        "architecture": "x86_64",
        "cpu_nano": 2_000_000_000,
        "memory_bytes": 4 << 30,
    }
    return NodeState(**values | others)


def an_engine(*, reachable: bool = True, **others: Any) -> EngineState:
    """The watched engine, its event stream open unless `stream=` says otherwise."""
    values: dict[str, Any] = {
        "id": "engine",
        "name": "engine",
        "version": 0,
        "reachable": reachable,
        "stream": "open" if reachable else "closed",
        "engine_version": "29.0.0",
        "api_version": "1.52",
    }
    return EngineState(**values | others)


def a_network(name: str = "net", **others: Any) -> NetworkState:
    """An overlay network, id `network-<name>`."""
    return NetworkState(**{"id": f"network-{name}", "name": name, "version": 5, "driver": "overlay"} | others)


def a_secret(name: str = "password", **others: Any) -> SecretState:
    """A secret, id `secret-<name>`."""
    return SecretState(**{"id": f"secret-{name}", "name": name, "version": 6} | others)


def a_config(name: str = "settings", **others: Any) -> ConfigState:
    """A config, id `config-<name>`."""
    return ConfigState(**{"id": f"config-{name}", "name": name, "version": 7} | others)


def a_change(before: AnyState | None, after: AnyState | None) -> Changed:
    """An event of the feed, as a client reads it."""
    state = after or before
    assert state is not None, "one of them is given"
    event = Event(
        id="e", time=UPDATED_AT, observed_at=OBSERVED_AT, cluster=CLUSTER, kind=state.kind, action="updated",
        name=state.name, object_id=state.id, version=state.version, before=before, after=after,
    )  # fmt: skip
    return Changed(2, state.kind, "updated", event.model_dump_json().encode())
