"""Objects as the JSON that the Engine API shows. A task's bytes are made once for each of its versions.

Pure but for the caches. Shapes: moby api/types/swarm, daemon/cluster/convert.
"""

import json
from datetime import UTC, datetime
from typing import Any

from services.simulator.model import Json, Node, Resource, Service, Task, UpdateStatus
from services.simulator.spec import task_spec, with_defaults
from services.simulator.store import Store


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def timestamp(at_ns: int) -> str:
    """RFC 3339 as Go writes it: nanoseconds without trailing zeros; 0 is Go's zero time."""
    if not at_ns:
        return "0001-01-01T00:00:00Z"
    seconds, nanos = divmod(at_ns, 10**9)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _meta(item: Task | Service | Node | Resource) -> Json:
    return {
        "ID": item.id,
        "Version": {"Index": item.version},
        "CreatedAt": timestamp(item.created_ns),
        "UpdatedAt": timestamp(item.updated_ns),
    }


def _index(number: int) -> Json:
    return {"Index": number} if number else {}


def task(item: Task) -> Json:
    """A task, as `GET /tasks` shows it; fields that Go leaves out when empty are left out."""
    status: Json = {"Timestamp": timestamp(item.at_ns), "State": item.state.word, "Message": item.message}
    if item.err:
        status["Err"] = item.err
    if item.container_id or item.state.word == "rejected":
        pid = 0 if item.ended or item.state.word != "running" else int(item.container_id[:4], 16) + 1000
        container = {"ContainerID": item.container_id, "PID": pid, "ExitCode": item.exit_code}
        status["ContainerStatus"] = container
    status["PortStatus"] = {}
    shown = {**_meta(item), "Labels": {}, "Spec": task_spec(item.spec), "ServiceID": item.service_id}
    if item.slot:
        shown["Slot"] = item.slot
    if item.node_id:
        shown["NodeID"] = item.node_id
    shown |= {"Status": status, "DesiredState": item.desired.word}
    if item.job_iteration is not None:
        shown["JobIteration"] = _index(item.job_iteration)
    if item.attachments:
        shown["NetworksAttachments"] = list(item.attachments)
    return shown


def service(item: Service, *, insert_defaults: bool = False) -> Json:
    """A service, as `GET /services` shows it."""
    shown = {**_meta(item), "Spec": with_defaults(item.spec) if insert_defaults else item.spec}
    if item.previous_spec is not None:
        shown["PreviousSpec"] = item.previous_spec
    shown["Endpoint"] = item.endpoint or {"Spec": {}}
    if item.update_status:
        shown["UpdateStatus"] = _update_status(item.update_status)
    if item.job_status:
        shown["JobStatus"] = {
            "JobIteration": _index(item.job_status.iteration),
            "LastExecution": timestamp(item.job_status.last_execution_ns),
        }
    return shown


def _update_status(status: UpdateStatus) -> Json:
    shown: Json = {"State": status.state}
    if status.started_ns:
        shown["StartedAt"] = timestamp(status.started_ns)
    if status.completed_ns:
        shown["CompletedAt"] = timestamp(status.completed_ns)
    return {**shown, "Message": status.message}


def service_status(store: Store, item: Service) -> Json:
    """The counts that `status=true` adds (controlapi ListServiceStatuses)."""
    tasks = store.tasks_of(item.id)
    running = sum(task.state.word == "running" and task.wanted for task in tasks)
    if item.job_status:
        current = [task for task in tasks if task.job_iteration == item.job_status.iteration]
        complete = sum(task.state.word == "complete" for task in current)
        desired = int(item.spec["Mode"].get("ReplicatedJob", {}).get("MaxConcurrent", len(current) - complete))
        return {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": complete}
    if item.mode == "Replicated":
        desired = int(item.spec["Mode"]["Replicated"]["Replicas"])
    else:
        desired = sum(task.desired.word == "running" for task in tasks)
    return {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": 0}


def node(item: Node, engine_version: str) -> Json:
    """A node, as `GET /nodes` shows it."""
    status: Json = {"State": item.state, "Addr": item.address}
    if item.message:
        status["Message"] = item.message
    shown = {
        **_meta(item),
        "Spec": {"Labels": {}, **item.spec},
        "Description": {
            "Hostname": item.hostname,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": item.cpu_nano, "MemoryBytes": item.memory_bytes},
            "Engine": {"EngineVersion": engine_version, "Plugins": [{"Type": "Network", "Name": "overlay"}]},
            "TLSInfo": {},
        },
        "Status": status,
    }
    if item.role == "manager":
        leader = {"Leader": True} if item.leader else {}
        reachable = "reachable" if item.state == "ready" else "unreachable"
        shown["ManagerStatus"] = {**leader, "Reachability": reachable, "Addr": f"{item.address}:2377"}
    return shown


def network(item: Resource, *, verbose: bool = False) -> Json:
    """A network, as `GET /networks` shows it."""
    spec = item.spec
    return {
        "Name": item.name,
        "Id": item.id,
        "Created": timestamp(item.created_ns),
        "Scope": spec.get("Scope", "swarm"),
        "Driver": spec.get("Driver") or "bridge",
        "EnableIPv6": bool(spec.get("EnableIPv6")),
        "IPAM": spec.get("IPAM") or {"Driver": "default", "Options": None, "Config": None},
        "Internal": bool(spec.get("Internal")),
        "Attachable": bool(spec.get("Attachable")),
        "Ingress": bool(spec.get("Ingress")),
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {} if verbose else None,
        "Options": spec.get("Options"),
        "Labels": spec.get("Labels") or {},
    }


def secret_or_config(item: Resource) -> Json:
    """A secret (never with its data) or a config."""
    hidden = {"Data"} if item.table == "secret" else set()
    return {**_meta(item), "Spec": {"Labels": {}, **{k: v for k, v in item.spec.items() if k not in hidden}}}


class TaskCache:
    """Tasks' JSON by version: a full list of 100,000 is joined, not made anew."""

    def __init__(self) -> None:
        self._bytes: dict[str, tuple[int, bytes]] = {}

    def encoded(self, item: Task) -> bytes:
        """The task's JSON."""
        held = self._bytes.get(item.id)
        if held is None or held[0] != item.version:
            held = self._bytes[item.id] = (item.version, encode(task(item)))
        return held[1]

    def forget(self, task_id: str) -> None:
        """Drop a deleted task's bytes."""
        self._bytes.pop(task_id, None)
