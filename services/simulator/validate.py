"""What SwarmKit's control API refuses in a service spec, in its words.

Pure. Rules and texts: swarmkit manager/controlapi/{service,common}.go.
"""

import re
from collections.abc import Iterable
from typing import Any

from services.simulator.constraints import parse_constraints
from services.simulator.model import ApiError, Json, Resource, Service, invalid
from services.simulator.spec import JOBS

_NAME = re.compile(r"^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$")
_IMAGE = re.compile(
    r"^(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$"
)
_COUNTS = {"Replicas", "MaxConcurrent", "TotalCompletions", "MaxAttempts", "Parallelism", "ForceUpdate", "MaxReplicas"}
_NUMBERS = {"Delay", "Window", "Monitor", "NanoCPUs", "MemoryBytes", "TargetPort", "PublishedPort", "StopGracePeriod"}
_LISTS = {"Command", "Args", "Env", "Constraints", "Preferences", "Networks", "Ports", "Mounts", "Secrets", "Configs"}
_OBJECTS = {
    "TaskTemplate",
    "ContainerSpec",
    "RestartPolicy",
    "Placement",
    "Resources",
    "UpdateConfig",
    "RollbackConfig",
}
_OBJECTS |= {"EndpointSpec", "Limits", "Reservations", "Labels"}
_MODE = "ServiceSpec.Mode"
"""An object, where an EndpointSpec's `Mode` is a word."""
_FREE = {"Labels", "Options", "Sysctls", "DriverOpts", "DriverConfig"}
"""Maps whose keys are the user's."""
_LEAST_MEMORY_BYTES = 4 << 20
_LEAST_CPU_NANO = 1_000_000


def check_name(name: str) -> None:
    """Refuse a name that is no DNS label (ApiError 400)."""
    if not name:
        raise invalid("meta: name must be provided")
    if not _NAME.match(name):
        raise invalid("name must be valid as a DNS name component")
    if len(name) > 63:
        raise invalid("name must be 63 characters or fewer")


def check_types(posted: Any, at: str = "ServiceSpec") -> None:
    """Refuse a posted spec with a value of a type that Go's decoder does not take (ApiError 400, about as it says)."""
    if isinstance(posted, list):
        for item in posted:
            check_types(item, at)
    if not isinstance(posted, dict):
        return
    for key, value in posted.items():
        wanted = _mismatch(f"{at}.{key}", key, value)
        if wanted:
            shown = _go_name(value)
            field = f"Go struct field {at}.{key} of type {wanted}"
            raise ApiError(400, f"invalid JSON: json: cannot unmarshal {shown} into {field}")
        if key not in _FREE:
            check_types(value, f"{at}.{key}")


def _mismatch(path: str, key: str, value: Any) -> str:
    """The Go type that a value should have and has not; empty where it is fine."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None:
        return ""
    if key in _COUNTS and not (whole and value >= 0):
        return "uint64"
    if key in _NUMBERS and not whole:
        return "int64"
    if key in _LISTS and not isinstance(value, list):
        return "[]string"
    return "map" if (key in _OBJECTS or path == _MODE) and not isinstance(value, dict) else ""


def _go_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def check_spec(spec: Json) -> None:
    """Refuse a normalised service spec that breaks a rule (ApiError 400, the first broken rule's text)."""
    check_name(spec["Name"])
    template = spec["TaskTemplate"]
    _check_resources(template)
    _check_restart_policy(template.get("RestartPolicy") or {})
    parse_constraints((template.get("Placement") or {}).get("Constraints") or ())
    _check_references(template["ContainerSpec"], "Secret")
    _check_references(template["ContainerSpec"], "Config")
    _check_container(template["ContainerSpec"])
    if next(iter(spec["Mode"])) in JOBS:
        if "UpdateConfig" in spec:
            raise invalid("Jobs may not have an update config")
    else:
        _check_update_config(spec.get("UpdateConfig") or {})
    _check_endpoint(spec.get("EndpointSpec") or {})


def _check_resources(template: Json) -> None:
    for part in ("Limits", "Reservations"):
        amounts = (template.get("Resources") or {}).get(part) or {}
        cpu_nano, memory_bytes = amounts.get("NanoCPUs", 0), amounts.get("MemoryBytes", 0)
        if cpu_nano and cpu_nano < _LEAST_CPU_NANO:
            raise invalid(f"invalid cpu value {cpu_nano / 1e9:g}: Must be at least 0.001")
        if memory_bytes and memory_bytes < _LEAST_MEMORY_BYTES:
            raise invalid(f"invalid memory value {memory_bytes}: Must be at least 4MiB")


def _check_restart_policy(policy: Json) -> None:
    for key in ("Delay", "Window"):
        if policy.get(key, 0) < 0:
            raise invalid(f"TaskSpec: restart-{key.lower()} cannot be negative")


def _check_references(container: Json, kind: str) -> None:
    """Secrets and configs: ID, name and a target file of its own each."""
    word, taken = kind.lower(), dict[str, str]()
    for reference in container.get(f"{kind}s") or ():
        name = reference.get(f"{kind}Name")
        if not reference.get(f"{kind}ID") or not name:
            raise invalid(f"malformed {word} reference")
        if "File" not in reference:
            if "Runtime" in reference:
                continue
            raise invalid(f"malformed {word} reference, no target provided")
        target = reference["File"].get("Name")
        if not target:
            raise invalid(f"malformed file {word} reference, invalid target file name provided")
        if target in taken:
            names = f"'{taken[target]}' and '{name}'"
            raise invalid(f"{word} references {names} have a conflicting target: '{target}'")
        taken[target] = name


def _check_container(container: Json) -> None:
    image = container.get("Image", "")
    if not image:
        raise invalid("ContainerSpec: image reference must be provided")
    if not _IMAGE.match(image):
        raise invalid(f'ContainerSpec: "{image}" is not a valid repository/tag')
    targets = [mount.get("Target") for mount in container.get("Mounts") or ()]
    for target in targets:
        if targets.count(target) > 1:
            raise invalid(f"ContainerSpec: duplicate mount point: {target}")


def _check_update_config(config: Json) -> None:
    if config.get("Delay", 0) < 0:
        raise invalid("TaskSpec: update-delay cannot be negative")
    if config.get("Monitor", 0) < 0:
        raise invalid("TaskSpec: update-monitor cannot be negative")
    if not 0 <= config.get("MaxFailureRatio", 0) <= 1:
        raise invalid("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")


def _check_endpoint(endpoint: Json) -> None:
    taken = set()
    for port in endpoint.get("Ports") or ():
        if endpoint["Mode"] == "dnsrr" and port["PublishMode"] == "ingress":
            raise invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
        published = port.get("PublishedPort", 0)
        if published and (published, port["Protocol"]) in taken:
            raise invalid("EndpointSpec: duplicate published ports provided")
        taken.add((published, port["Protocol"]))


def check_ports(spec: Json, service_id: str, services: Iterable[Service]) -> None:
    """Refuse a published port that another service has (ApiError 400). `service_id`: whose spec it is; empty if new."""
    wanted = {(port["Protocol"], port.get("PublishedPort")): port for port in _published(spec)}
    if not wanted:
        return
    for service in services:
        if service.id == service_id:
            continue
        for port in _published(service.spec):
            mine = wanted.get((port["Protocol"], port["PublishedPort"]))
            if mine is None or (mine["PublishMode"] == "host" and port["PublishMode"] == "host"):
                continue
            how = "an ingress port" if port["PublishMode"] == "ingress" else "a host-published port"
            by = f"service '{service.name}' ({service.id})"
            raise invalid(f"port '{port['PublishedPort']}' is already in use by {by} as {how}")


def _published(spec: Json) -> list[Json]:
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or ()
    return [port for port in ports if port.get("PublishedPort")]


def check_existence(spec: Json, kind: str, table: dict[str, Resource]) -> None:
    """Refuse a spec that refers to secrets or configs (`kind`) that are not there (ApiError 400)."""
    word = kind.lower()
    lost = [
        reference[f"{kind}Name"]
        for reference in spec["TaskTemplate"]["ContainerSpec"].get(f"{kind}s") or ()
        if (found := table.get(reference[f"{kind}ID"])) is None or found.name != reference[f"{kind}Name"]
    ]
    if lost:
        raise invalid(f"{word if len(lost) == 1 else word + 's'} not found: {', '.join(lost)}")
