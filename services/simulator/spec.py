"""Service specs as dockerd keeps them: what a posted spec becomes, and what `insertDefaults` adds when it is read.

Pure. A spec goes through SwarmKit's protobuf and comes back (moby daemon/cluster/convert): empty fields vanish, some
fields appear. Defaults are those of swarmkit api/defaults/service.go; they are *not* stored, so a client that writes
them back changes the task template and restarts every task.
"""

from collections.abc import Mapping
from typing import Any

from services.simulator.model import ApiError, Json

MODES = ("Replicated", "Global", "ReplicatedJob", "GlobalJob")
_MODE_BY_LOWER = {mode.lower(): mode for mode in MODES}
JOBS = ("ReplicatedJob", "GlobalJob")
SECOND_NS = 1_000_000_000
_UPDATE_DEFAULTS: Json = {
    "Parallelism": 1,
    "FailureAction": "pause",
    "Monitor": 5 * SECOND_NS,
    "MaxFailureRatio": 0,
    "Order": "stop-first",
}


def _filled(value: Mapping[str, Any] | None) -> Json:
    """The fields that are not Go's zero values (`omitempty`)."""
    return {key: item for key, item in (value or {}).items() if item not in (None, "", 0, [], {})}


def _pruned(value: Any) -> Any:
    """Without nulls, at any depth."""
    if isinstance(value, Mapping):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def normalised(posted: Mapping[str, Any]) -> Json:
    """The spec as dockerd stores and shows it.

    Raises:
        ApiError: it cannot be converted: no container spec, two modes, an unknown word (dockerd's texts).
    """
    spec = _pruned(posted)
    result: Json = {
        "Name": spec.get("Name", ""),
        "Labels": spec.get("Labels") or {},
        "TaskTemplate": _template(spec.get("TaskTemplate") or {}),
        "Mode": _mode(spec.get("Mode") or {}),
    }
    for key in ("UpdateConfig", "RollbackConfig"):
        if key in spec:
            result[key] = _update_config(spec[key])
    if networks := spec.get("Networks"):
        result["Networks"] = [_filled(network) for network in networks]
    if "EndpointSpec" in spec:
        result["EndpointSpec"] = _endpoint(spec["EndpointSpec"])
    return result


def _template(template: Json) -> Json:
    if "ContainerSpec" not in template:
        raise ApiError(400, "mismatched Runtime and *Spec fields")
    result: Json = {"ContainerSpec": _container(template["ContainerSpec"])}
    if "Resources" in template:
        result["Resources"] = {key: _filled(value) for key, value in template["Resources"].items()}
    if "RestartPolicy" in template:
        result["RestartPolicy"] = _restart_policy(template["RestartPolicy"])
    if "Placement" in template:
        result["Placement"] = _filled(template["Placement"])
    if networks := template.get("Networks"):
        result["Networks"] = [_filled(network) for network in networks]
    if "LogDriver" in template:
        result["LogDriver"] = _filled(template["LogDriver"])
    result["ForceUpdate"] = template.get("ForceUpdate", 0)
    result["Runtime"] = "container"
    return result


def _container(container: Json) -> Json:
    """Pointers (`Init`, `StopGracePeriod`, `DNSConfig` …) stay even when empty; the rest is `omitempty`."""
    pointers = {"Init", "StopGracePeriod", "DNSConfig", "Healthcheck", "Privileges"}
    result = {key: value for key, value in container.items() if key in pointers or value not in (None, "", 0, [], {})}
    result["Isolation"] = container.get("Isolation") or "default"
    return result


def _restart_policy(policy: Json) -> Json:
    condition = policy.get("Condition") or "any"
    if condition not in {"none", "on-failure", "any"}:
        raise ApiError(400, f'invalid RestartCondition: "{condition}"')
    kept: Json = {key: policy[key] for key in ("Delay", "Window") if key in policy}
    return {"Condition": condition, **kept, "MaxAttempts": policy.get("MaxAttempts", 0)}


def _update_config(config: Json) -> Json:
    action, order = config.get("FailureAction") or "pause", config.get("Order") or "stop-first"
    if action not in {"pause", "continue", "rollback"}:
        raise ApiError(400, f"unrecognized update failure action {action}")
    if order not in {"stop-first", "start-first"}:
        raise ApiError(400, f"unrecognized update order {order}")
    return {
        "Parallelism": config.get("Parallelism", 0),
        **_filled({"Delay": config.get("Delay")}),
        "FailureAction": action,
        **_filled({"Monitor": config.get("Monitor")}),
        "MaxFailureRatio": config.get("MaxFailureRatio", 0),
        "Order": order,
    }


def _endpoint(endpoint: Json) -> Json:
    mode = endpoint.get("Mode") or "vip"
    if mode not in {"vip", "dnsrr"}:
        raise ApiError(400, f'invalid resolution mode: "{mode}"')
    ports = [
        {
            **_filled({"Name": port.get("Name")}),
            "Protocol": port.get("Protocol") or "tcp",
            **_filled({"TargetPort": port.get("TargetPort"), "PublishedPort": port.get("PublishedPort")}),
            "PublishMode": port.get("PublishMode") or "ingress",
        }
        for port in endpoint.get("Ports") or ()
    ]
    return {"Mode": mode, **_filled({"Ports": ports})}


def _mode(mode: Json) -> Json:
    """Exactly one mode. Go reads keys in any case, and docker-py writes `replicated`."""
    mode = {_MODE_BY_LOWER.get(key.lower(), key): value for key, value in mode.items()}
    given = [name for name in MODES if name in mode]
    if len(given) > 1:
        raise ApiError(400, "must specify only one service mode")
    name = given[0] if given else "Replicated"
    if name == "Replicated":
        return {name: {"Replicas": (mode.get(name) or {}).get("Replicas", 1)}}
    if name == "ReplicatedJob":
        job = mode[name]
        concurrent = job.get("MaxConcurrent", 1)
        return {name: {"MaxConcurrent": concurrent, "TotalCompletions": job.get("TotalCompletions", concurrent)}}
    return {name: {}}


def with_defaults(spec: Json) -> Json:
    """The spec with Swarm's defaults filled in, as `GET /services/{id}?insertDefaults=true` shows it."""
    template = spec["TaskTemplate"]
    container = {"StopGracePeriod": 10 * SECOND_NS, "DNSConfig": {}, **template["ContainerSpec"]}
    restart = {"Condition": "any", "Delay": 5 * SECOND_NS, "MaxAttempts": 0, **template.get("RestartPolicy", {})}
    filled = {
        **template,
        "ContainerSpec": container,
        "Resources": template.get("Resources", {}),
        "RestartPolicy": restart,
        "Placement": template.get("Placement", {}),
    }
    return {
        **spec,
        "TaskTemplate": filled,
        "UpdateConfig": _update_defaults(spec.get("UpdateConfig")),
        "RollbackConfig": _update_defaults(spec.get("RollbackConfig")),
    }


def _update_defaults(config: Json | None) -> Json:
    return dict(_UPDATE_DEFAULTS) if config is None else {"Monitor": 5 * SECOND_NS, **config}


def update_config(spec: Json, *, rollback: bool) -> Json:
    """What rules a rolling update of that spec, or its rollback, defaults included."""
    return _update_defaults(spec.get("RollbackConfig" if rollback else "UpdateConfig"))


def task_spec(template: Json) -> Json:
    """A task's spec: the template as the tasks' endpoint shows it, which leaves `Runtime` out."""
    return {key: value for key, value in template.items() if key != "Runtime"}
