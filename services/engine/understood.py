"""The engine's JSON → states of services and tasks; `others` has the rest. Pure.

Engines of API 1.41 to 1.52 and later leave out what is empty, so every field is read as possibly absent. Raises
ValueError, TypeError, KeyError or AttributeError for an object of a wrong shape (`elements.understood` reports it).
Values that may be secret never leave here: see services.redaction.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from funswarm.state import (
    ENDED_STATES,
    Address,
    NetworkState,
    NodeState,
    Port,
    ServiceState,
    State,
    TaskState,
    UpdateStatus,
)
from services.engine.fields import Raw, index, stamps, version_of
from services.redaction import redacted_spec

Mode = Literal["replicated", "global", "replicated-job", "global-job"]

_MODES: Final[dict[str, Mode]] = {
    "Replicated": "replicated",
    "Global": "global",
    "ReplicatedJob": "replicated-job",
    "GlobalJob": "global-job",
}


def service_state(raw: Raw, network_names: Mapping[str, str]) -> ServiceState:
    """A service; its `condition` is the default: only its tasks tell how it does."""
    spec = raw["Spec"]
    mode = mode_of(spec)
    job = raw.get("JobStatus") or {}
    endpoint = raw.get("Endpoint") or {}
    return ServiceState(
        id=raw["ID"],
        name=spec["Name"],
        **stamps(raw),
        mode=mode,
        replicas=_replicas(spec, mode),
        image=_image(spec.get("TaskTemplate") or {}),
        labels=spec.get("Labels") or {},
        ports=_ports(endpoint.get("Ports")),
        virtual_ips=tuple(
            Address(
                network_id=vip["NetworkID"],
                network=network_names.get(vip["NetworkID"]),
                addresses=(vip["Addr"],) if vip.get("Addr") else (),
            )
            for vip in endpoint.get("VirtualIPs") or ()
        ),
        update_status=_update_status(raw.get("UpdateStatus")),
        job_iteration=index(job.get("JobIteration")) if mode.endswith("job") else None,
        has_previous_spec=bool(raw.get("PreviousSpec")),
        spec=redacted_spec(spec),
    )


def task_state(
    raw: Raw, service_names: Mapping[str, str], node_names: Mapping[str, str], network_names: Mapping[str, str]
) -> TaskState | None:
    """A task of a service; None for a network attachment of a plain container, which belongs to none.

    A service or node whose name is not known is called by its id, or not at all.
    """
    service_id = raw.get("ServiceID")
    if not service_id:
        return None
    spec = raw.get("Spec") or {}
    status = raw.get("Status") or {}
    container = status.get("ContainerStatus") or {}
    node_id = raw.get("NodeID") or None
    slot = raw.get("Slot") or None
    service_name = service_names.get(service_id) or service_id
    job_iteration = raw.get("JobIteration")
    return TaskState(
        id=raw["ID"],
        name=_task_name(service_name, slot, node_id, raw["ID"]),
        **stamps(raw),
        service_id=service_id,
        service_name=service_name,
        slot=slot,
        node_id=node_id,
        node_name=node_names.get(node_id) if node_id else None,
        state=status["State"],
        desired_state=raw.get("DesiredState") or "",
        timestamp=status.get("Timestamp") or "",
        message=status.get("Message") or "",
        error=status.get("Err") or None,
        # Of a container that still runs the engine says 0.
        exit_code=container.get("ExitCode") if status["State"] in ENDED_STATES else None,
        container_id=container.get("ContainerID") or None,
        image=_image(spec),
        addresses=_addresses(raw.get("NetworksAttachments"), network_names),
        ports=_ports((status.get("PortStatus") or {}).get("Ports")),
        job_iteration=index(job_iteration) if job_iteration is not None else None,
        force_update=spec.get("ForceUpdate") or 0,
    )


def named(task: TaskState, service_names: Mapping[str, str], node_names: Mapping[str, str]) -> TaskState:
    """The task with the names as they are now known: the same object where they are the ones it has."""
    service_name = service_names.get(task.service_id) or task.service_name
    node_name = (node_names.get(task.node_id) or task.node_name) if task.node_id else None
    if (service_name, node_name) == (task.service_name, task.node_name):
        return task
    return task.model_copy(
        update={
            "name": _task_name(service_name, task.slot, task.node_id, task.id),
            "service_name": service_name,
            "node_name": node_name,
        }
    )


def _task_name(service_name: str, slot: int | None, node_id: str | None, task_id: str) -> str:
    return f"{service_name}.{slot or node_id or task_id}"


def mode_of(spec: Raw) -> Mode:
    """The mode of a service's spec; a spec without one is replicated.

    Raises:
        ValueError: a mode that we do not know.
    """
    set_ = [key for key, value in (spec.get("Mode") or {"Replicated": {}}).items() if value is not None]
    if len(set_) != 1 or set_[0] not in _MODES:
        raise ValueError(f"the service's mode is {set_}: not one of {', '.join(_MODES)}")
    return _MODES[set_[0]]


def _replicas(spec: Raw, mode: Mode) -> int | None:
    if mode == "replicated":
        replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas")
        return 1 if replicas is None else int(replicas)
    if mode == "replicated-job":
        job = spec["Mode"]["ReplicatedJob"]
        total = job.get("TotalCompletions")
        return int(job.get("MaxConcurrent") or 1) if total is None else int(total)
    return None


def _image(template: Raw) -> str:
    return str(
        (template.get("ContainerSpec") or {}).get("Image") or (template.get("PluginSpec") or {}).get("Remote") or ""
    )


def _ports(raws: Iterable[Raw] | None) -> tuple[Port, ...]:
    return tuple(
        Port(
            target=raw.get("TargetPort") or 0,
            published=raw.get("PublishedPort") or None,
            protocol=raw.get("Protocol") or "tcp",
            mode=raw.get("PublishMode") or "ingress",
        )
        for raw in raws or ()
    )


def _addresses(raws: Iterable[Raw] | None, network_names: Mapping[str, str]) -> tuple[Address, ...]:
    found = []
    for raw in raws or ():
        network = raw.get("Network") or {}
        network_id = network.get("ID") or ""
        name = network_names.get(network_id) or (network.get("Spec") or {}).get("Name")
        found.append(Address(network_id=network_id, network=name, addresses=tuple(raw.get("Addresses") or ())))
    return tuple(found)


def _update_status(raw: Raw | None) -> UpdateStatus | None:
    if not raw or not raw.get("State"):
        return None
    return UpdateStatus(
        state=raw["State"],
        message=raw.get("Message") or "",
        started_at=raw.get("StartedAt"),
        completed_at=raw.get("CompletedAt"),
    )


def unchanged(raw: Raw, known: State) -> bool:
    """Whether the object is as it was known, told without converting it: Swarm moves the version with every change.

    Except a manager's standing (leader, reachability), which the asked manager adds as it answers; and networks have no
    version at all.
    """
    if isinstance(known, NetworkState) or version_of(raw) != known.version:
        return False
    if isinstance(known, NodeState):
        manager = raw.get("ManagerStatus") or {}
        standing = (bool(manager.get("Leader")), manager.get("Reachability") or None)
        return standing == (known.leader, known.reachability) and (raw.get("Status") or {}).get("State") == known.state
    return True
