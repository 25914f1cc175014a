"""What mounts reach on a node: paths, the engine's socket, volumes whose driver is told to mount something. Pure.

An engine takes a mount's type in any case of letters, and a mount without one is a bind (measured on 20.10). Swarm
fills templates (`{{…}}`) in on the node, after all checks, so a path with one can become any path.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from services.scheduler.admission import images
from services.scheduler.admission.finding import Finding, container, found, objects, part
from services.scheduler.admission.policy import Mounts, Patterns, Policy, matches

SOCKETS: Final = (
    "/run/docker.sock", "/var/run/docker.sock", "/run/docker", "/var/run/docker", "/run/containerd",
    "/var/run/containerd", "/run/podman", "/var/run/podman", "/var/lib/docker/swarm",
)  # fmt: skip
_ANYWHERE: Final = ("/proc", "/sys", "/dev")  # /proc/1/root and the like lead to all of the node
_TEMPLATE: Final = re.compile(r"\{\{\s*\.(?:Service|Node|Task)\.[A-Za-z]+\s*\}\}")  # a plain field, as .Task.Slot
_VOLUME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)  # the local driver's names

_VOLUME_WAY_OUT: Final = "use a named volume, or a tmpfs"


def mounts(policy: Policy, spec: dict[str, Any]) -> Iterator[Finding]:
    """Of all mounts of the spec."""
    for mount in objects(container(spec).get("Mounts")):
        match kind(mount):
            case "volume":
                yield from _volume(policy.mounts, mount)
            case "tmpfs":
                pass
            case "bind":
                yield from _bind(policy.mounts, mount)
            case "image" if policy.mounts.images:
                pass  # `images` judges its source
            case "cluster" if policy.mounts.cluster:
                pass
            case other:
                yield found(
                    "mounts",
                    mount,
                    f"a mount of type {other} at {mount.get('Target')!r} is not allowed",
                    _VOLUME_WAY_OUT,
                )


def kind(mount: dict[str, Any]) -> str:
    """The mount's type as the engine reads it."""
    return str(mount.get("Type") or "bind").lower()


def leads_to_engine(path: str) -> bool:
    """Whether a container gets at the engine by this clean path: a socket, what has one below it, or all of a node."""
    above = path.rstrip("/") + "/"
    if any(f"{socket}/".startswith(above) or path.startswith(f"{socket}/") for socket in SOCKETS):
        return True
    return any(path == one or path.startswith(f"{one}/") for one in _ANYWHERE)


def _bind(policy: Mounts, mount: dict[str, Any]) -> Iterator[Finding]:
    source = str(mount.get("Source") or "")
    shown = f"a mount of the node's path {source!r} at {mount.get('Target')!r}"
    if "{{" in source:
        yield found("mounts", mount, f"{shown}: a template in it could become any path", "write the path itself")
        return
    path = "/" + posixpath.normpath(source).lstrip("/") if source.startswith("/") else source
    if path.startswith("/") and leads_to_engine(path) and not policy.engine_socket:
        way_out = f"{_VOLUME_WAY_OUT}; `mounts.engine_socket` of the policy allows what leads to the engine"
        yield found("engine-socket", mount, f"{shown} gives the container the engine, and so the Swarm", way_out)
    elif not _listed(policy, path, read_only=bool(mount.get("ReadOnly"))):
        way_out = f"{_VOLUME_WAY_OUT}; `mounts.host_paths` of the policy lists the paths that may be mounted"
        yield found("mounts", mount, f"{shown} is not allowed", way_out)


def _listed(policy: Mounts, path: str, *, read_only: bool) -> bool:
    for entry in policy.host_paths:
        allowed = entry.removesuffix(":ro")
        if entry.endswith(":ro") and not read_only:
            continue
        if path == allowed:
            return True
        if allowed.endswith("/**") and (path == allowed[:-3] or path.startswith(allowed[:-2])):
            return True
    return False


def _volume(policy: Mounts, mount: dict[str, Any]) -> Iterator[Finding]:
    source = str(mount.get("Source") or "")
    if source and not _VOLUME.fullmatch(_TEMPLATE.sub("x", source)):
        way_out = "a volume's name has letters, digits, '_', '.' and '-'"
        yield found("mounts", mount, f"{source!r} is not the name of a volume", way_out)
    driver = part(mount, "VolumeOptions", "DriverConfig")
    name, options = str(driver.get("Name") or "local"), part(driver, "Options")
    if not matches(name, policy.volume_drivers):
        way_out = (
            f"use one of {', '.join(policy.volume_drivers)}, or list it under `mounts.volume_drivers` of the policy"
        )
        yield found("volume-drivers", mount, f"the volume driver {name!r} is not allowed", way_out)
    if options and options not in policy.volume_options:
        said = ", ".join(sorted(options))  # a value may be a password
        way_out = "leave them out, or list exactly these under `mounts.volume_options` of the policy"
        yield found("volume-drivers", mount, f"options of a volume's driver ({said}) can mount anything", way_out)


def volumes(spec: dict[str, Any]) -> list[str]:
    """The names of the volumes that are mounted; they may have templates in them."""
    return [str(one.get("Source") or "") for one in objects(container(spec).get("Mounts")) if kind(one) == "volume"]


def may_be(name: str, patterns: Patterns) -> bool:
    """Whether one of shell's patterns is of the name, or of what its templates may make of it."""
    if "{{" not in name:
        return matches(name, patterns)
    head, tail = name.partition("{{")[0], name.rpartition("}}")[2]
    for one in patterns:
        first, last = re.split(r"[*?\[]", one)[0], re.split(r"[*?\]]", one)[-1]
        heads, tails = head.startswith(first) or first.startswith(head), tail.endswith(last) or last.endswith(tail)
        if heads and tails:
            return True
    return False


def image_mounts(spec: dict[str, Any]) -> list[str]:
    """The images that are mounted."""
    return [str(one.get("Source")) for one in objects(container(spec).get("Mounts")) if kind(one) == "image"]


def image_findings(policy: Policy, spec: dict[str, Any]) -> Iterator[Finding]:
    """Whether the images that run or are mounted are allowed, and pinned."""
    for text in (str(container(spec).get("Image") or ""), *image_mounts(spec)):
        yield from _image(policy, text)


def _image(policy: Policy, text: str) -> Iterator[Finding]:
    allowed = policy.images.allowed
    if not text or (allowed is None and not policy.images.pinned):
        return
    try:
        image = images.parsed(text)
    except ValueError as error:
        yield found("images", text, str(error), "name a repository and its registry")
        return
    if allowed is not None and not images.matches(image.repository, allowed):
        way_out = f"use one of {', '.join(allowed) or 'none'}, or list it under `images.allowed` of the policy"
        yield found("images", text, f"images of {image.repository} are not allowed", way_out)
    if policy.images.pinned and image.digest is None:
        yield found("digests", text, f"the image {text!r} is not pinned", "write it with its digest, @sha256:…")
