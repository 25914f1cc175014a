"""A service's description as the Engine's JSON, as sparse as it was said: what was not said is Swarm's to decide. Pure.

Field names and defaults: Docker Engine API, `ServiceSpec`. Two zeros are traps and are never left to chance: an update
config without `Parallelism` would mean all at once, a secret's file without `Mode` one that nobody can read.
"""

from typing import Any

from funswarm.spec import ServiceFields, ServicePatch, ServiceSpec
from services.scheduler.engine_parts import files, healthcheck, items, mount_json, ns, port_json, resources, rollout
from services.scheduler.merge import by_key, by_name, merged, sparse
from services.scheduler.names import Names


def create_spec(spec: ServiceSpec, names: Names) -> dict[str, Any]:
    """The body of `POST /services/create`.

    Raises:
        Refused: a network, secret or config is not there.
    """
    result = _fields(spec, names)
    container = result.setdefault("TaskTemplate", {}).setdefault("ContainerSpec", {})
    container |= sparse(
        Image=spec.image,
        Env=by_name(None, spec.env) if spec.env else None,
        Labels=spec.container_labels,
        Sysctls=spec.sysctls,
    )
    for config in ("UpdateConfig", "RollbackConfig"):
        if config in result:
            result[config].setdefault("Parallelism", 1)
    return {"Name": spec.name, "Labels": dict(spec.labels or {}), **result, "Mode": _mode(spec)}


def patched_spec(current: dict[str, Any], patch: ServicePatch, names: Names) -> dict[str, Any]:
    """`current` (the raw Spec) with the patch's fields set; the mode's fields must fit the mode.

    Raises:
        Refused: a network, secret or config is not there.
    """
    change = _fields(patch, names)
    for config in ("UpdateConfig", "RollbackConfig"):
        if config in change and not current.get(config):
            change[config].setdefault("Parallelism", 1)
    if patch.replicas is not None:
        change["Mode"] = {"Replicated": {"Replicas": patch.replicas}}
    if patch.total is not None or patch.max_concurrent is not None:
        change["Mode"] = {"ReplicatedJob": sparse(MaxConcurrent=patch.max_concurrent, TotalCompletions=patch.total)}
    result: dict[str, Any] = merged(current, change)
    if patch.networks is not None:
        result.pop("Networks", None)  # the old place, from before they could be changed
    if patch.labels:
        result["Labels"] = by_key(current.get("Labels"), patch.labels)
    task = result.get("TaskTemplate") or {}
    before = task.get("ContainerSpec") or {}
    container = _patched_container(before, patch)
    return result if container == before else {**result, "TaskTemplate": {**task, "ContainerSpec": container}}


def _patched_container(container: dict[str, Any], patch: ServicePatch) -> dict[str, Any]:
    result = dict(container)
    if patch.image is not None:
        result["Image"] = patch.image
    keyed: dict[str, Any] = {
        "Env": by_name(container.get("Env"), patch.env or {}),
        "Labels": by_key(container.get("Labels"), patch.container_labels or {}),
        "Sysctls": by_key(container.get("Sysctls"), patch.sysctls or {}),
    }
    result |= {key: value for key, value in keyed.items() if value or container.get(key)}
    if patch.healthcheck and patch.healthcheck.disable:
        result["Healthcheck"] = {"Test": ["NONE"]}  # nothing of the old one stays beside it
    return result


def _fields(fields: ServiceFields, names: Names) -> dict[str, Any]:
    """What a create and an update have in common, apart from the mode and what is changed by key."""
    ports = [port_json(port) for port in fields.ports] if fields.ports is not None else None
    return sparse(
        TaskTemplate=_task(fields, names),
        UpdateConfig=rollout(fields.update_config),
        RollbackConfig=rollout(fields.rollback_config),
        EndpointSpec=sparse(Mode=fields.endpoint_mode, Ports=ports),
    )


def _task(fields: ServiceFields, names: Names) -> dict[str, Any]:
    restart, log, preferences = fields.restart_policy, fields.log, fields.preferences
    networks = [
        sparse(
            Target=names.find("network", use.name)[0], Aliases=list(use.aliases) or None, DriverOpts=use.driver_options
        )
        for use in fields.networks or ()
    ]
    return sparse(
        ContainerSpec=_container(fields, names),
        Resources=resources(fields.resources),
        RestartPolicy=restart
        and sparse(
            Condition=restart.condition,
            Delay=ns(restart.delay),
            MaxAttempts=restart.max_attempts,
            Window=ns(restart.window),
        ),
        Placement=sparse(
            Constraints=items(fields.constraints),
            Preferences=None
            if preferences is None
            else [{"Spread": {"SpreadDescriptor": text.removeprefix("spread=")}} for text in preferences],
            MaxReplicas=fields.max_replicas_per_node,
        ),
        Networks=None if fields.networks is None else networks,
        LogDriver=log and sparse(Name=log.driver, Options=log.options),
    )


def _container(fields: ServiceFields, names: Names) -> dict[str, Any]:
    return sparse(
        Command=items(fields.command),
        Args=items(fields.args),
        Hostname=fields.hostname,
        Dir=fields.workdir,
        User=fields.user,
        Groups=items(fields.groups),
        TTY=fields.tty,
        OpenStdin=fields.open_stdin,
        ReadOnly=fields.read_only,
        Mounts=None if fields.mounts is None else [mount_json(mount) for mount in fields.mounts],
        StopSignal=fields.stop_signal,
        StopGracePeriod=ns(fields.stop_grace_period),
        Healthcheck=healthcheck(fields.healthcheck),
        Hosts=None if fields.hosts is None else [f"{address} {name}" for name, address in fields.hosts.items()],
        DNSConfig=fields.dns
        and sparse(
            Nameservers=items(fields.dns.nameservers),
            Search=items(fields.dns.search),
            Options=items(fields.dns.options),
        ),
        Secrets=files("Secret", fields.secrets, names),
        Configs=files("Config", fields.configs, names),
        Isolation=fields.isolation,
        Init=fields.init,
        CapabilityAdd=items(fields.cap_add),
        CapabilityDrop=items(fields.cap_drop),
        Ulimits=None
        if fields.ulimits is None
        else [{"Name": name, "Soft": limit.soft, "Hard": limit.hard} for name, limit in fields.ulimits.items()],
    )


def _mode(spec: ServiceSpec) -> dict[str, Any]:
    match spec.mode:
        case "replicated":
            return {"Replicated": sparse(Replicas=spec.replicas)}
        case "global":
            return {"Global": {}}
        case "replicated-job":
            return {"ReplicatedJob": sparse(MaxConcurrent=spec.max_concurrent, TotalCompletions=spec.total)}
        case "global-job":
            return {"GlobalJob": {}}
