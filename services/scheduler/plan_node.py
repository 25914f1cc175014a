"""What a command for a node comes to, given the node as it is. Pure.

The effect is absolute, an availability, and written from exactly the version that was read: a redelivery finds it
there, so nothing has to mark the node.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from funswarm.commands import NodeCommand
from funswarm.errors import InvalidRequest, Refused
from funswarm.messages import Change, Code
from funswarm.state import NodeState
from services.scheduler.raw_service import Json, version

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
    before = spec.get("Availability") or "active"
    if before == wanted:
        return None
    changes = (Change(path="spec.Availability", before=before, after=wanted),)
    warnings = () if wanted == "active" else _if_none_is_left(node["ID"], nodes)
    return WriteNode(node["ID"], version(node), {**spec, "Availability": wanted}, changes, warnings)


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
