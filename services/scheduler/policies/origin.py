"""How a service was described by those who made and changed it through Funswarm: a ServiceSpec that makes it again.

Pure. With the values of its environment and all that is redacted elsewhere: kept where only the scheduler reads.
"""

from typing import Any, Final

from pydantic import ValidationError

from funswarm.commands import (
    Command,
    CreateCommand,
    RebalanceCommand,
    RemoveCommand,
    RestartCommand,
    RunCommand,
    ScaleCommand,
    UpdateCommand,
)
from funswarm.spec import ServiceSpec
from funswarm.state import Value

_BY_KEY: Final = frozenset({"env", "labels", "container_labels", "sysctls"})
_AS_WHOLES: Final = frozenset({"hosts", "ulimits"})


class Origin(Value):
    """`command`: the last that is in it: it describes the service exactly while that one wrote the service last."""

    command: str
    spec: dict[str, Any]

    def made(self) -> ServiceSpec | None:
        """None: what was laid over it does not fit."""
        try:
            return ServiceSpec.model_validate(self.spec)
        except ValidationError:
            return None


def after(origin: Origin | None, command: Command) -> Origin | None:
    """The description after a command that succeeded; None: it is not known any more."""
    match command:
        case CreateCommand():
            return Origin(command=command.id, spec=command.service.model_dump(mode="json", exclude_none=True))
        case RemoveCommand():
            return None
        case _ if origin is None:
            return None
        case ScaleCommand():
            return Origin(command=command.id, spec={**origin.spec, "replicas": command.replicas})
        case RestartCommand() | RunCommand() | RebalanceCommand():
            return Origin(command=command.id, spec=origin.spec)
        case UpdateCommand():
            patch = command.changes.model_dump(mode="json", exclude_unset=True)
            return Origin(command=command.id, spec=_laid_over(origin.spec, patch))
    return None  # a rollback: what was before is not kept


def _laid_over(spec: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """As an update is done: maps by key, null takes away; objects by their fields that are set; lists as wholes."""
    found = dict(spec)
    for key, value in patch.items():
        if key in _BY_KEY and value is not None:
            together = {**(found.get(key) or {}), **value}
            found[key] = {name: kept for name, kept in together.items() if kept is not None}
        elif isinstance(value, dict) and key not in _AS_WHOLES:
            set_now = {name: given for name, given in value.items() if given is not None}
            found[key] = {**(found.get(key) or {}), **set_now}
        elif value is not None:
            found[key] = value
    return found
