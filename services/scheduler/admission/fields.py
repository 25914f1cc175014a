"""The fields of a service's spec that the rules know, after Docker's API 1.52. Pure.

What an engine understands and we do not cannot be judged, so it is found.
"""

from collections.abc import Iterator
from typing import Any, Final

from services.scheduler.admission.finding import Finding, found
from services.scheduler.admission.policy import Policy

Tree = dict[str, "Tree | None"]  # None: whatever is in it


def _leaves(names: str) -> Tree:
    return dict.fromkeys(names.split())


_MOUNT: Final[Tree] = {
    **_leaves("Type Source Target ReadOnly Consistency"),
    "BindOptions": _leaves("Propagation NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive"),
    "VolumeOptions": {**_leaves("NoCopy Labels Subpath"), "DriverConfig": _leaves("Name Options")},
    "TmpfsOptions": _leaves("SizeBytes Mode Options"),
    "ImageOptions": _leaves("Subpath"),
    "ClusterOptions": {},
}
_CONTAINER: Final[Tree] = {
    **_leaves("Image Labels Command Args Hostname Env Dir User Groups TTY OpenStdin ReadOnly StopSignal"),
    **_leaves("StopGracePeriod Healthcheck Hosts DNSConfig Secrets Configs Isolation Init Sysctls"),
    **_leaves("CapabilityAdd CapabilityDrop OomScoreAdj"),
    "Mounts": _MOUNT,
    "Privileges": {
        "CredentialSpec": _leaves("Config File Registry"),
        "SELinuxContext": _leaves("Disable User Role Type Level"),
        "Seccomp": _leaves("Mode Profile"),
        "AppArmor": _leaves("Mode"),
        "NoNewPrivileges": None,
    },
    "Ulimits": _leaves("Name Soft Hard"),
}
_RESOURCES: Final[Tree] = {
    "Limits": _leaves("NanoCPUs MemoryBytes Pids"),
    "Reservations": {
        **_leaves("NanoCPUs MemoryBytes"),
        "GenericResources": {"NamedResourceSpec": _leaves("Kind Value"), "DiscreteResourceSpec": _leaves("Kind Value")},
    },
    **_leaves("SwapBytes MemorySwappiness"),
}
_NETWORKS: Final[Tree] = _leaves("Target Aliases DriverOpts")
KNOWN: Final[Tree] = {
    **_leaves("Name Labels UpdateConfig RollbackConfig"),
    "Networks": _NETWORKS,
    "TaskTemplate": {
        "ContainerSpec": _CONTAINER,
        **_leaves("PluginSpec NetworkAttachmentSpec RestartPolicy Placement ForceUpdate Runtime"),
        "Resources": _RESOURCES,
        "Networks": _NETWORKS,
        "LogDriver": _leaves("Name Options"),
    },
    "Mode": {
        "Replicated": _leaves("Replicas"),
        "Global": {},
        "ReplicatedJob": _leaves("MaxConcurrent TotalCompletions"),
        "GlobalJob": {},
    },
    "EndpointSpec": {"Mode": None, "Ports": _leaves("Name Protocol TargetPort PublishedPort PublishMode")},
}


def unknown_fields(policy: Policy, spec: dict[str, Any]) -> Iterator[Finding]:
    """What is in the spec and not known, or of another shape."""
    if not policy.unknown_fields:
        yield from _walk("", spec, KNOWN)


def _walk(path: str, value: Any, tree: Tree) -> Iterator[Finding]:
    if value is None:
        return
    if isinstance(value, list):
        for one in value:
            yield from _walk(path, one, tree)
        return
    if not isinstance(value, dict):
        yield _unknown(path, value)
        return
    for key, one in value.items():
        inner = f"{path}.{key}" if path else key
        if key not in tree:
            yield _unknown(inner, one)
        elif (below := tree[key]) is not None:
            yield from _walk(inner, one, below)


def _unknown(path: str, value: Any) -> Finding:
    way_out = "leave it out; `unknown_fields` of the policy allows such"
    return found("unknown-fields", [path, value], f"{path} is a field that cannot be judged", way_out)
