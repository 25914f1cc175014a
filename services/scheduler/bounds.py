"""Whether a command stays within the namespaces of who asks. Pure.

The api checks its tokens, but every path to the Swarm ends here, and only here the service's real labels are known. All
that is not surely inside is refused, and with the same words whether it exists or not.
"""

from collections.abc import Collection, Mapping
from typing import Final

from funswarm.commands import Command, CreateCommand, UpdateCommand
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.namespaces import STACK_LABEL, may_belong, namespace_of
from funswarm.spec import ServiceFields
from funswarm.state import AnyState
from services.scheduler.merge import by_key
from services.scheduler.raw_service import Json, name

_OF_SERVICES: Final = frozenset({"create", "update", "scale", "restart", "rollback", "remove", "run", "rebalance"})


def check_namespaces(command: Command, service: Json | None) -> None:
    """Refuse what is outside: the service as it is (None: absent), or what the command makes of it.

    Raises:
        Refused: code forbidden.
    """
    bound = command.namespaces
    if not bound:
        return
    if command.verb not in _OF_SERVICES:
        why = f"who asks is bound to the namespaces {_listed(bound)}, and {command.verb} concerns the whole Swarm"
        raise Refused(why, Code.FORBIDDEN)
    if service is not None:
        inside = namespace_of(name(service), service["Spec"].get("Labels")) in bound
    else:
        inside = may_belong(command.target, bound)
    if not inside:
        raise Refused(f"{command.target} is outside the namespaces of who asks ({_listed(bound)})", Code.FORBIDDEN)
    if isinstance(command, CreateCommand):
        if namespace_of(command.service.name, command.service.labels) not in bound:
            raise Refused(f"a service of the namespaces {_listed(bound)} is named <namespace>_<name>", Code.FORBIDDEN)
        _check_volumes(command.service, bound)
    elif isinstance(command, UpdateCommand):
        labels = by_key(service["Spec"].get("Labels"), command.changes.labels or {}) if service else {}
        if service is not None and namespace_of(name(service), labels) not in bound:
            raise Refused("a label would take the service out of the namespaces of who asks", Code.FORBIDDEN)
        _check_volumes(command.changes, bound)


def is_open(state: AnyState, bound: Collection[str]) -> bool:
    """Whether a network, secret or config may be used: what belongs to others is as if it were not there.

    A network without a namespace is for all; a secret or config is not.
    """
    labels: Mapping[str, str] = getattr(state, "labels", {})
    namespace = namespace_of(state.name, labels)
    shared = state.kind == "network" and not namespace and STACK_LABEL not in labels
    return not bound or namespace in bound or shared


def _check_volumes(fields: ServiceFields, bound: tuple[str, ...]) -> None:
    """Named volumes are the node's, and hold others' data: here only the name tells whose."""
    for mount in fields.mounts or ():
        if mount.type == "volume" and mount.source and not may_belong(mount.source, bound):
            raise Refused(
                f"the volume {mount.source} is outside the namespaces of who asks: name it <namespace>_<name> "
                f"({_listed(bound)})",
                Code.FORBIDDEN,
            )


def _listed(namespaces: tuple[str, ...]) -> str:
    return ", ".join(namespaces)
