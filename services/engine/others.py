"""The engine's JSON → states of nodes, networks, secrets and configs. Pure; as `understood`, which has the rest."""

from funswarm.state import ConfigState, NetworkState, NodeState, SecretState
from services.engine.fields import Raw, stamps


def node_state(raw: Raw) -> NodeState:
    """A node; `drained` is left False: only its tasks tell."""
    spec, status = raw["Spec"], raw.get("Status") or {}
    description = raw.get("Description") or {}
    platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
    manager, engine = raw.get("ManagerStatus") or {}, description.get("Engine") or {}
    return NodeState(
        id=raw["ID"],
        name=description.get("Hostname") or spec.get("Name") or raw["ID"],
        **stamps(raw),
        role=spec["Role"],
        availability=spec.get("Availability") or "active",
        state=status.get("State") or "unknown",
        message=status.get("Message") or "",
        address=status.get("Addr") or "",
        leader=bool(manager.get("Leader")),
        reachability=manager.get("Reachability") or None,
        labels=spec.get("Labels") or {},
        engine_labels=engine.get("Labels") or {},
        engine_version=engine.get("EngineVersion") or "",
        os=platform.get("OS") or "",
        architecture=platform.get("Architecture") or "",
        cpu_nano=resources.get("NanoCPUs") or 0,
        memory_bytes=resources.get("MemoryBytes") or 0,
    )


def network_state(raw: Raw) -> NetworkState | None:
    """A network of the Swarm; None for one of a single engine."""
    if raw.get("Scope", "swarm") != "swarm":
        return None
    return NetworkState(
        id=raw["Id"],
        name=raw["Name"],
        version=0,  # the engine tells none for networks
        created_at=raw.get("Created") or "",
        driver=raw.get("Driver") or "",
        attachable=bool(raw.get("Attachable")),
        internal=bool(raw.get("Internal")),
        labels=raw.get("Labels") or {},
    )


def secret_state(raw: Raw) -> SecretState:
    spec = raw["Spec"]
    return SecretState(id=raw["ID"], name=spec["Name"], **stamps(raw), labels=spec.get("Labels") or {})


def config_state(raw: Raw) -> ConfigState:
    """A config without its data."""
    spec = raw["Spec"]
    return ConfigState(id=raw["ID"], name=spec["Name"], **stamps(raw), labels=spec.get("Labels") or {})
