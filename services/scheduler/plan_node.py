"""What a command for a node comes to, given the node as it is. Pure.

The effect is absolute, an availability, and written from exactly the version that was read: a redelivery finds it
there, so nothing has to mark the node.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from funswarm.commands import DrainCommand, NodeCommand
from funswarm.errors import InvalidRequest, Refused
from funswarm.messages import Change, Code
from funswarm.state import NodeState
from services.scheduler.merge import by_key
from services.scheduler.raw_service import Json, version

DRAIN_LABEL: Final = "funswarm.drain"  # of a node: the command that is to drain it gracefully
AVAILABILITY: Final = {"activate": "active", "pause": "pause", "drain": "drain"}  # by verb


@dataclass(frozen=True, slots=True)
class WriteNode:
    """Update from exactly `version`."""

    node_id: str
    version: int
    spec: Json
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


def plan_node(command: NodeCommand, node: Json | None, nodes: Iterable[NodeState], near: str) -> WriteNode | None:
    """What is to be written; None: it is so already. `nodes`: all of them; `near`: ` (did you mean …?)`.

    Raises:
        Refused, InvalidRequest: nothing is to be done, and why.
    """
    if node is None:
        raise Refused(f"there is no node {command.target!r}{near}", Code.UNKNOWN_NODE)
    _check_expectations(command, node)
    spec, wanted = node["Spec"], AVAILABILITY[command.verb]
    before, labels = spec.get("Availability") or "active", spec.get("Labels") or {}
    mark = None
    if isinstance(command, DrainCommand) and command.graceful:
        if before == "drain" or DRAIN_LABEL in labels:
            return None
        wanted, mark = "pause", command.id
    if before == wanted and labels.get(DRAIN_LABEL) == mark:
        return None
    changes = _changes(
        ("spec.Availability", before, wanted), (f"spec.Labels.{DRAIN_LABEL}", labels.get(DRAIN_LABEL), mark)
    )
    warnings = () if wanted == "active" else _if_none_is_left(node["ID"], nodes)
    after = {**spec, "Availability": wanted}
    if labels.get(DRAIN_LABEL) != mark:
        after["Labels"] = by_key(labels, {DRAIN_LABEL: mark})
    return WriteNode(node["ID"], version(node), after, changes, warnings)


def _changes(*values: tuple[str, str | None, str | None]) -> tuple[Change, ...]:
    return tuple(Change(path=path, before=before, after=after) for path, before, after in values if before != after)


def _check_expectations(command: NodeCommand, node: Json) -> None:
    expect = command.expect
    if expect.replicas is not None:
        raise InvalidRequest("expect.replicas is for services: a node has none")
    if expect.absent:
        raise Refused(f"expected no node {command.target!r}, and there is one", Code.EXPECTATION)
    if expect.version not in (None, version(node)):
        raise Refused(f"expected version {expect.version}, and it is {version(node)}: read it again", Code.EXPECTATION)


def _if_none_is_left(node_id: str, nodes: Iterable[NodeState]) -> tuple[str, ...]:
    if any(node.id != node_id and node.availability == "active" and node.state == "ready" for node in nodes):
        return ()
    return ("no other node is ready and active: tasks that have to move, and new ones, wait until one is",)
