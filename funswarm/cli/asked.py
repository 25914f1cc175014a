"""From options and a file to a service's description. Pure but for reading the file.

The words are those of `docker service create`; the model (funswarm.spec) checks them.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from funswarm.errors import InvalidRequest
from funswarm.explain import explain

M = TypeVar("M", bound=BaseModel)

_MOUNT_WORDS = {
    "src": "source", "dst": "target", "destination": "target", "ro": "read_only", "readonly": "read_only",
    "bind-propagation": "propagation", "volume-nocopy": "no_copy", "volume-driver": "driver",
    "tmpfs-size": "size", "tmpfs-mode": "file_mode",
}  # fmt: skip
_PARTS = {
    "restart": ("condition", "delay", "max_attempts"),
    "update": ("parallelism", "delay", "order", "failure_action"),
}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def described(model: type[M], file: Path | None, wanted: dict[str, Any]) -> M:
    """`wanted` on top of what the file says.

    Raises:
        InvalidRequest: the file cannot be read, or the description is not understood.
    """
    try:
        return model.model_validate(merge(read(file) if file else {}, wanted))
    except ValidationError as error:
        raise InvalidRequest(explain(error, model)) from error


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` wins, objects key by key; an empty object or list says nothing."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        elif value not in ({}, []):
            merged[key] = value
    return merged


def asked_only(options: dict[str, Any]) -> dict[str, Any]:
    """Without the options that were not given, and the objects that are empty then."""
    inner = {key: asked_only(value) if isinstance(value, dict) else value for key, value in options.items()}
    return {key: value for key, value in inner.items() if value not in (None, {}, [], ())}


def read(file: Path) -> dict[str, Any]:
    """
    Raises:
        InvalidRequest: no JSON object can be read there.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"--file {file}: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRequest(f'--file {file}: a JSON object is wanted, as {{"name": …, "image": …}}')
    return content


def description(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ServiceSpec or ServicePatch that options of these names ask for.

    Raises:
        InvalidRequest: an option's text is not understood.
    """
    job = params.get("mode") == "replicated-job"
    plain = ("name", "image", "mode", "args", "max_concurrent", "max_replicas_per_node", "endpoint_mode", "user",
             "workdir", "hostname", "stop_grace_period")  # fmt: skip
    wanted: dict[str, Any] = {key: params.get(key) for key in plain}
    wanted |= {
        "command": params.get("entrypoint"),
        "total" if job else "replicas": params.get("replicas"),
        "constraints": params.get("constraint"),
        "preferences": _each(preference, params.get("placement_pref")),
        "ports": _each(port, params.get("publish")),
        "networks": _each(network, params.get("network")),
        "mounts": _each(mount, params.get("mount")),
        "secrets": _each(file_use, params.get("secret")),
        "configs": _each(file_use, params.get("config")),
        "healthcheck": {"test": params.get("health_cmd")},
        "resources": {
            "limits": {"memory": params.get("limit_memory"), "cpus": params.get("limit_cpu")},
            "reservations": {"memory": params.get("reserve_memory"), "cpus": params.get("reserve_cpu")},
        },
    }
    for part, keys in _PARTS.items():
        wanted[f"{part}_{'policy' if part == 'restart' else 'config'}"] = {
            key: params.get(f"{part}_{key}") for key in keys
        }
    return asked_only(wanted)


def _each(read_one: Callable[[str], Any], texts: Iterable[str] | None) -> list[Any]:
    return [read_one(text) for text in texts or ()]


def pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    """KEY=VALUE …; for labels KEY alone has the value ''.

    Raises:
        InvalidRequest: one has no key.
    """
    found = {}
    for text in texts or ():
        key, _, value = text.partition("=")
        if not key:
            raise InvalidRequest(f"{option} {text!r}: write KEY=VALUE")
        found[key] = value
    return found


def environment(texts: Iterable[str] | None) -> dict[str, str]:
    """KEY=VALUE …; KEY alone takes the value that it has here, as docker does.

    Raises:
        InvalidRequest: KEY alone is not set here.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        if "=" not in text and text not in os.environ:
            raise InvalidRequest(f"--env {text}: it is not set here; write {text}=VALUE")
        found |= pairs([text if "=" in text else f"{text}={os.environ[text]}"], "--env")
    return found


def port(text: str) -> str | dict[str, Any]:
    """`8080:80/udp`, or `published=8080,target=80,protocol=udp,mode=host`."""
    return _words(text, "--publish") if "=" in text else text


def mount(text: str) -> str | dict[str, Any]:
    """`type=bind,src=/srv,dst=/srv,readonly`, or `data:/var/lib/data`."""
    if "=" not in text:
        return text
    return {_MOUNT_WORDS.get(key, key): _FLAGS.get(value, value) for key, value in _words(text, "--mount").items()}


def file_use(text: str) -> str | dict[str, Any]:
    """A secret or config: its name, or `source=name,target=path,mode=0440`."""
    if "=" not in text:
        return text
    return {("name" if key in ("source", "src") else key): value for key, value in _words(text, "--secret").items()}


def preference(text: str) -> str:
    """`spread=node.labels.zone` as Swarm's only kind of preference."""
    return text.removeprefix("spread=")


def network(text: str) -> str | dict[str, Any]:
    """A name, or `name=backend,alias=db`."""
    if "=" not in text:
        return text
    words = _words(text, "--network")
    alias = words.pop("alias", None)
    return {**words, "aliases": [alias]} if alias else dict(words)


def _words(text: str, option: str) -> dict[str, str]:
    """`key=value,flag`: a flag alone is true."""
    found = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not key:
            raise InvalidRequest(f"{option} {text!r}: write key=value,key=value")
        found[key] = value if separator else "true"
    return found
