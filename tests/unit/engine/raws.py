"""The engine's JSON as real engines answer it, in one call."""

from typing import Any


def raw_service(name: str = "web", *, version: int = 10, mode: dict[str, Any] | None = None, **others: Any) -> Any:
    """`GET /services`: one element."""
    template = {"ContainerSpec": {"Image": "nginx:1.27", "Env": ["TOKEN=secret", "DEBUG"]}, "ForceUpdate": 0}
    return {
        "ID": f"service-{name}",
        "Version": {"Index": version},
        "CreatedAt": "2026-11-01T08:00:00.1Z",
        "UpdatedAt": "2026-11-01T08:00:05.2Z",
        "Spec": {
            "Name": name,
            "Labels": {"team": "a"},
            "TaskTemplate": template,
            "Mode": mode or {"Replicated": {"Replicas": 2}},
        },
        "Endpoint": {"Spec": {}},
        **others,
    }


def raw_task(service: str = "web", slot: int | None = 1, *, version: int = 20, **others: Any) -> Any:
    """`GET /tasks`: one element, running on node-alpha."""
    return {
        "ID": f"task-{service}-{slot}",
        "Version": {"Index": version},
        "CreatedAt": "2026-11-01T08:00:01Z",
        "UpdatedAt": "2026-11-01T08:00:06Z",
        "Spec": {"ContainerSpec": {"Image": "nginx:1.27"}, "ForceUpdate": 3},
        "ServiceID": f"service-{service}",
        **({"Slot": slot} if slot else {}),
        "NodeID": "node-alpha",
        "Status": {
            "Timestamp": "2026-11-01T08:00:06.5Z",
            "State": "running",
            "Message": "started",
            "ContainerStatus": {"ContainerID": "c1", "PID": 7, "ExitCode": 0},
            "PortStatus": {"Ports": [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]},
        },
        "DesiredState": "running",
        **others,
    }


def raw_node(name: str = "alpha", *, version: int = 30, **others: Any) -> Any:
    """`GET /nodes`: one element, the leader."""
    return {
        "ID": f"node-{name}",
        "Version": {"Index": version},
        "CreatedAt": "2026-11-01T07:00:00Z",
        "UpdatedAt": "2026-11-01T07:00:01Z",
        "Spec": {"Labels": {"zone": "1"}, "Role": "manager", "Availability": "active"},
        "Description": {
            "Hostname": name,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 1024},
            "Engine": {"EngineVersion": "29.0.0"},
        },
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "192.0.2.1:2377"},
        **others,
    }
