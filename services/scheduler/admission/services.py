"""What a service may do as a whole: networks, ports, labels, files, numbers. Pure."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from funswarm.state import COMMAND_LABEL, TRACE_LABEL
from services.scheduler.admission import mounts
from services.scheduler.admission.finding import Finding, container, entries, found, objects, part
from services.scheduler.admission.policy import Policy, matches
from services.scheduler.names import LOCAL_NETWORKS
from services.scheduler.raw_service import mode, replicas

Json = dict[str, Any]

_SERVICE_NAME: Final = re.compile(r"\{\{\s*\.Service\.Name\s*\}\}")
_NOBODYS: Final = re.compile(r"(?:\{\{\s*\.(?:Node\.(?:ID|Hostname)|Task\.(?:ID|Name|Slot)|Service\.ID)\s*\}\}[-._]?)+")
_ENDPOINT_SYSCTLS: Final = "com.docker.network.endpoint.sysctls"  # of a container's interface, from engine 28 on


def attachments(spec: Json) -> list[Json]:
    """The networks of the spec, in both places where it can have them."""
    return [*objects(part(spec, "TaskTemplate").get("Networks")), *objects(spec.get("Networks"))]


def networks(policy: Policy, spec: Json, known: Mapping[str, str]) -> Iterator[Finding]:
    """`known`: id -> name of the Swarm's networks. The engine keeps `host` under an id that it never lists."""
    for one in attachments(spec):
        target = str(one.get("Target") or "")
        name = known.get(target, target if target in LOCAL_NETWORKS else None)
        if not policy.host_network and name in (None, "host"):
            what = "the host's network" if name else f"the network {target!r}, which may be the host's,"
            way_out = "use an overlay network; `host_network` of the policy allows the host's"
            yield found("host-network", target, f"{what} is not allowed", way_out)
        if name is not None and matches(name, policy.protected.networks):
            yield from _hosts(policy, spec, one, name)
        given = str(part(one, "DriverOpts").get(_ENDPOINT_SYSCTLS) or "")
        for key in (text.partition("=")[0].strip() for text in given.split(",") if given):
            if not matches(key, policy.sysctls):
                way_out = "leave it out, or list it under `sysctls` of the policy"
                yield found("sysctls", [target, given], f"the sysctl {key!r} of a network is not allowed", way_out)


def _hosts(policy: Policy, spec: Json, attachment: Json, network: str) -> Iterator[Finding]:
    """The engine finds a container by its host name, too (measured on 20.10), and fills in its templates before."""
    service = str(spec.get("Name") or "")
    hostname = _SERVICE_NAME.sub(service, str(container(spec).get("Hostname") or ""))
    if _NOBODYS.fullmatch(hostname):  # who writes the service does not choose what that becomes
        hostname = ""
    for host in (service, hostname, *map(str, entries(attachment.get("Aliases")))):
        plain = host.strip().rstrip(".").casefold()
        if mounts.may_be(plain.removeprefix("tasks."), policy.protected.hosts):
            what = f"others would be found as {host!r} in the network {network!r}, which is Funswarm's own"
            yield found("protected-hosts", [attachment.get("Target"), host], what, "use another name or network")


def ports(policy: Policy, spec: Json) -> Iterator[Finding]:
    for port in objects(part(spec, "EndpointSpec").get("Ports")):
        if str(port.get("PublishMode") or "ingress").lower() != "ingress" and not policy.host_ports:
            what = f"the port {port.get('PublishedPort') or port.get('TargetPort')} of the nodes is not allowed"
            yield found("host-ports", port, what, "publish it in mode ingress; `host_ports` of the policy allows it")


def runtime(policy: Policy, spec: Json) -> Iterator[Finding]:
    task = part(spec, "TaskTemplate")
    if policy.plugins:
        return
    if (given := task.get("Runtime") or "container") != "container":
        way_out = "run a container; `plugins` of the policy allows others"
        yield found("runtime", given, f"the runtime {given!r} is not allowed", way_out)
    for key in ("PluginSpec", "NetworkAttachmentSpec"):
        if task.get(key):
            yield found("runtime", [key, task[key]], f"{key} is not allowed", "run a container")


def files(policy: Policy, spec: Json) -> Iterator[Finding]:
    """Secrets, configs and volumes of Funswarm's own."""
    for kind, patterns in (("Secret", policy.protected.secrets), ("Config", policy.protected.configs)):
        for one in objects(container(spec).get(f"{kind}s")):
            name = str(one.get(f"{kind}Name") or "")
            if matches(name, patterns):
                what = f"the {kind.lower()} {name!r} is Funswarm's own"
                yield found("protected-files", [one.get(f"{kind}ID"), name], what, "use one of your own")

    for name in mounts.volumes(spec):
        if mounts.may_be(name, policy.protected.volumes):
            what = f"the volume {name!r} is Funswarm's own, or may become it"
            yield found("protected-files", ["Volume", name], what, "use one of your own")


def required_labels(policy: Policy, spec: Json) -> Iterator[Finding]:
    labels = part(spec, "Labels")
    for key, pattern in policy.labels.required.items():
        if not matches(str(labels.get(key, "")), (pattern,)) or key not in labels:
            yield found("required-labels", key, f"the label {key!r} is missing or wrong", f"set it to a {pattern!r}")


def label_changes(policy: Policy, before: Json, after: Json) -> Iterator[Finding]:
    """Reserved labels that differ: of the service and of its containers. Funswarm's own two are written by the plan."""
    for where, old, new in (
        ("", part(before, "Labels"), part(after, "Labels")),
        ("of the containers ", part(container(before), "Labels"), part(container(after), "Labels")),
    ):
        if old == new:
            continue
        own = {COMMAND_LABEL, TRACE_LABEL} if not where else set()
        for key in sorted({*old, *new} - own):
            if old.get(key) != new.get(key) and matches(key.casefold(), policy.labels.reserved):
                what = f"the label {key!r} {where}is reserved"
                yield found("reserved-labels", [where, key], what, "choose another key, and leave this one as it is")


def numbers(policy: Policy, spec: Json) -> Iterator[Finding]:
    """Modes, replicas and resources."""
    given = mode(spec)
    if not matches(given, policy.modes):
        yield found("modes", given, f"services in mode {given} are not allowed", f"use {', '.join(policy.modes)}")
    most = policy.replicas_max
    if most is not None and (count := _replicas(spec)) > most:
        way_out = f"at most {most} are allowed"
        yield found("replicas", "", f"{count} replicas of one service are too many", way_out, amount=count)
    resources = part(spec, "TaskTemplate", "Resources")
    yield from _limits(policy, part(resources, "Limits"))
    for one in objects(part(resources, "Reservations").get("GenericResources")):
        for what in (part(one, "DiscreteResourceSpec"), part(one, "NamedResourceSpec")):
            if what and not matches(str(what.get("Kind")), policy.generic_resources):
                way_out = "leave it out, or list it under `generic_resources` of the policy"
                yield found("generic-resources", what, f"the resource {what.get('Kind')!r} is not allowed", way_out)


def _replicas(spec: Json) -> int:
    job = part(spec, "Mode", "ReplicatedJob")
    return max(replicas(spec) or 0, int(job.get("MaxConcurrent") or 0))


def _limits(policy: Policy, limits: Json) -> Iterator[Finding]:
    caps = policy.resources
    for field, unit, most, scale in (
        ("NanoCPUs", "CPUs", caps.cpus_max, 1e9),
        ("MemoryBytes", "bytes of memory", caps.memory_max, 1),
        ("Pids", "processes", caps.pids_max, 1),
    ):
        if most is None:
            continue
        number = limits.get(field) or 0
        given = number / scale if number > 0 else math.inf
        if given > most:
            said = f"{given:g} {unit} for a task are too many" if math.isfinite(given) else f"no limit of {unit} is set"
            yield found("resources", field, said, f"set a limit of {most:g} or less", amount=given)
