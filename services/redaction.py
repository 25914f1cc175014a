"""Values of a service's raw spec that may be secret, replaced: nothing that is published or logged has them. Pure.

Environment variables, the words of a health check (they take a password along often enough), and the options of log and
volume drivers (tokens, credentials of a share). Arguments, labels and whatever else is published as it is: a secret
belongs into a Swarm secret.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from funswarm.state import REDACTED

SECRET_KEYS: Final = frozenset({"env", "options", "driver_options", "test"})  # of a command; whatever is below
_FORMS: Final = ("CMD", "CMD-SHELL", "NONE")


def redacted_command(command: Any) -> Any:
    """A command, as JSON, without them; what else it says is published in the service's state anyhow."""
    return hidden_below(command, lambda key, _: key in SECRET_KEYS)


def hidden_below(value: Any, is_secret: Callable[[str, Any], bool], *, secret: bool = False) -> Any:
    """JSON without the texts below such keys; the keys stay, for they tell what is meant. `secret`: all texts."""
    if isinstance(value, dict):
        return {
            key: hidden_below(below, is_secret, secret=secret or is_secret(key, below)) for key, below in value.items()
        }
    if isinstance(value, list):
        return [hidden_below(one, is_secret, secret=secret) for one in value]
    return REDACTED if secret and isinstance(value, str) else value


def redacted_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec without them; the given one stays as it is."""
    template = spec.get("TaskTemplate")
    if not template:
        return dict(spec)
    parts: dict[str, Any] = {}
    for holder in ("ContainerSpec", "PluginSpec"):
        if held := template.get(holder):
            parts[holder] = _redacted_container(held)
    log = template.get("LogDriver")
    if log and log.get("Options"):
        parts["LogDriver"] = {**log, "Options": without_values(log["Options"])}
    return {**spec, "TaskTemplate": {**template, **parts}}


def without_values(options: Mapping[str, Any]) -> dict[str, str]:
    """The keys alone."""
    return dict.fromkeys(options, REDACTED)


def redacted_test(test: Sequence[str] | None) -> list[str] | None:
    """A health check's `Test`: its form, as CMD, and no word of it."""
    if not test:
        return None if test is None else []
    return [*(word for word in test[:1] if word in _FORMS), *([REDACTED] if tuple(test) != ("NONE",) else [])]


def redacted_mounts(mounts: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]] | None:
    """Mounts without the values of their drivers' options."""
    return None if mounts is None else [_redacted_mount(mount) for mount in mounts]


def _redacted_container(held: Mapping[str, Any]) -> dict[str, Any]:
    hidden: dict[str, Any] = {}
    if env := held.get("Env"):
        hidden["Env"] = [_without_value(entry) for entry in env]
    health = held.get("Healthcheck")
    if health and health.get("Test"):
        hidden["Healthcheck"] = {**health, "Test": redacted_test(health["Test"])}
    if mounts := held.get("Mounts"):
        hidden["Mounts"] = redacted_mounts(mounts)
    return {**held, **hidden}


def _redacted_mount(mount: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(mount, Mapping):  # nonsense, as an engine would refuse it
        return {}
    volume = mount.get("VolumeOptions") or {}
    driver = volume.get("DriverConfig") or {}
    if not driver.get("Options"):
        return mount
    driver = {**driver, "Options": without_values(driver["Options"])}
    return {**mount, "VolumeOptions": {**volume, "DriverConfig": driver}}


def _without_value(entry: str) -> str:
    name, equals, _ = entry.partition("=")
    return f"{name}={REDACTED}" if equals else name
