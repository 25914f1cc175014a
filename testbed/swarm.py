"""Swarms of several nodes on one machine: make one, find it again, load images into it, take it away. I/O.

Each node is a container with an engine in it (`node`), on a bridge network of the Swarm's name. What exists is read
from the host engine (`inventory`).
"""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed import engine as host_engine
from testbed import images, inventory
from testbed.engine import Engine, docker
from testbed.inventory import LABEL
from testbed.node import Node, access, host_resolvers, is_running, run_arguments, start_node, wait_for_dockerd
from testbed.shell import SetupError, cache_folder, in_parallel, locked, say, wait_for

NETWORK = "fun-swarm"
_READY_S = 180
_FIRST_ADDRESS = 10


@dataclass(frozen=True, slots=True)
class Swarm:
    """A Swarm of the testbed; `nodes` has the managers first. `owned` says that this call of `up` has made it."""

    name: str
    nodes: tuple[Node, ...]
    owned: bool

    @property
    def manager(self) -> Node:
        """The first manager."""
        return self.nodes[0]


def up(name: str, nodes: int = 3, managers: int = 1, network: str = NETWORK, *, fresh: bool = False) -> Swarm:
    """A Swarm with so many nodes, all Ready, and an attachable overlay network; the one that is there already, if any.

    Nodes that are switched off are switched on again. With `fresh` whatever has that name is removed first. Raises
    `SetupError` when the existing one has another shape or stays broken. A Swarm that cannot be completed is removed.
    """
    if not 1 <= managers <= nodes <= 50:
        raise SetupError(
            f"{managers} managers of {nodes} nodes: there must be 1 to 50 nodes, and 1 to all of them managers"
        )
    engine = host_engine.start()
    if not engine.host.startswith("unix://"):
        raise SetupError(
            f"the engine at {engine.host} is not on this machine: unset DOCKER_HOST, or run this over there"
        )
    with locked(f"swarm-{name}"):
        existing = find(name)
        if existing and not fresh:
            return _revive(engine, existing, nodes, managers, network)
        # Without a node, too, there may be something: an `up` that was killed early leaves a network or volumes.
        inventory.remove(engine, name)
        try:
            return _make(engine, name, nodes, managers, network)
        except BaseException:
            say(f"removing the half-made Swarm {name}")
            inventory.remove(engine, name)
            raise


def find(name: str) -> Swarm | None:
    """The Swarm of that name, whole or not; None when nothing has that name, or no engine answers."""
    engine = host_engine.find()
    labels = inventory.labels(engine, f"{LABEL}={name}") if engine else []
    if not engine or not labels:
        return None
    made = [_node(engine, name, each["node"], each["role"], each["address"]) for each in labels]
    return Swarm(name, tuple(sorted(made, key=lambda node: int(node.name.rpartition("-")[2]))), owned=False)


def names() -> tuple[str, ...]:
    """The names of all Swarms of the testbed on this machine's engine."""
    engine = host_engine.find()
    return tuple(sorted({each["swarm"] for each in inventory.labels(engine, LABEL)})) if engine else ()


def down(swarm: Swarm | str) -> bool:
    """Remove a Swarm with its volumes and network; False when there was none. Half-made ones go as well."""
    name = swarm if isinstance(swarm, str) else swarm.name
    engine = host_engine.find()
    if engine is None:
        return False
    with locked(f"swarm-{name}"):
        return inventory.remove(engine, name)


def load(swarm: Swarm, wanted: Iterable[str]) -> None:
    """Copy images of the host engine to each node that does not have the very same ones."""
    tags = tuple(wanted)
    engine = swarm.manager.engine
    ids = {tag: _image_id(engine, tag) for tag in tags}
    absent = [tag for tag, image_id in ids.items() if not image_id]
    if absent:
        raise SetupError(f"the host engine has no image {', '.join(absent)}: build or pull it there first")

    def lacks(node: Node) -> bool:
        return any(_image_id(node.host, tag) != image_id for tag, image_id in ids.items())

    lacking = [node for node, lack in zip(swarm.nodes, in_parallel(lacks, swarm.nodes), strict=True) if lack]
    if not lacking:
        return
    with tempfile.TemporaryDirectory(prefix="load-", dir=cache_folder()) as folder:
        archive = str(Path(folder, "images.tar"))
        docker(engine, "save", f"--output={archive}", *tags, timeout_s=300)
        in_parallel(lambda node: node.docker("load", "--quiet", f"--input={archive}", timeout_s=300), lacking)


def wait_ready(swarm: Swarm, timeout_s: float = _READY_S) -> None:
    """Wait until every node is Ready, and every manager Reachable, in the eyes of the first manager."""
    managers = sum(node.role == "manager" for node in swarm.nodes)

    def ready() -> bool:
        rows = swarm.manager.docker("node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}").splitlines()
        reachable = sum(row in ("Ready Leader", "Ready Reachable") for row in rows)
        return len(rows) == len(swarm.nodes) and reachable == managers and all(row.startswith("Ready") for row in rows)

    def log() -> str:
        return "\n".join(f"{node.name}:\n{node.log()}" for node in swarm.nodes)

    wait_for(ready, f"{len(swarm.nodes)} nodes of {swarm.name} to be Ready", timeout_s, log=log)


def make_network(swarm: Swarm, network: str) -> None:
    """Make an attachable overlay network unless the Swarm has one of that name."""
    if network not in swarm.manager.docker("network", "ls", "--format", "{{.Name}}").splitlines():
        swarm.manager.docker("network", "create", "--driver=overlay", "--attachable", network)


def _make(engine: Engine, name: str, nodes: int, managers: int, network: str) -> Swarm:
    images.ensure(engine, (images.NODE,))
    options = access(engine.host, images.NODE.tag)
    subnet = inventory.make_bridge(engine, name)
    roles = ["manager"] * managers + ["worker"] * (nodes - managers)
    made = [
        _node(engine, name, f"node-{number}", role, str(subnet[_FIRST_ADDRESS + number]))
        for number, role in enumerate(roles, start=1)
    ]
    resolvers = host_resolvers(Path("/etc/resolv.conf").read_text())

    def switch_on(node: Node) -> None:
        inventory.sockets(name, node.name).mkdir(parents=True, exist_ok=True)
        labels = {"swarm": name, "node": node.name, "role": node.role, "address": node.address}
        labels |= {"nodes": str(nodes), "managers": str(managers)}
        arguments = run_arguments(node, images.NODE.tag, options, resolvers, os.getegid())
        marks = [f"--label={LABEL}={name}", *(f"--label={LABEL}.{key}={value}" for key, value in labels.items())]
        docker(engine.host, "volume", "create", f"--label={LABEL}={name}", node.container)
        docker(engine.host, arguments[0], *marks, *arguments[1:], timeout_s=120)
        wait_for_dockerd(node)

    say(f"starting {nodes} nodes")
    in_parallel(switch_on, made)
    swarm = Swarm(name, tuple(made), owned=True)
    _join(swarm)
    wait_ready(swarm)
    make_network(swarm, network)
    return swarm


def _join(swarm: Swarm) -> None:
    first = swarm.manager
    first.docker("swarm", "init", f"--advertise-addr={first.address}")
    tokens = {role: first.docker("swarm", "join-token", "--quiet", role) for role in ("manager", "worker")}

    def join(node: Node) -> None:
        arguments = ("swarm", "join", f"--advertise-addr={node.address}", f"--token={tokens[node.role]}")

        def joined() -> bool:
            # An engine that has not joined within 20 s says so as an error, and goes on joining.
            if _state(node) == "inactive":
                node.docker(*arguments, f"{first.address}:2377", timeout_s=90)
            return _state(node) == "active"

        wait_for(joined, f"{node.name} to join", _READY_S, log=node.log)

    for manager in swarm.nodes[1:]:
        # One after the other: each changes the managers' quorum.
        if manager.role == "manager":
            join(manager)
    in_parallel(join, [node for node in swarm.nodes if node.role == "worker"])


def _revive(engine: Engine, swarm: Swarm, nodes: int, managers: int, network: str) -> Swarm:
    way_out = f"remove it first: python -m testbed down --name {swarm.name}"
    labels = inventory.labels(engine, f"{LABEL}={swarm.name}")[0]
    wanted, found = (str(nodes), str(managers)), (labels["nodes"], labels["managers"])
    if wanted != found:
        raise SetupError(
            f"the Swarm {swarm.name} is there, with {found[0]} nodes, {found[1]} of them managers; {way_out}"
        )
    if len(swarm.nodes) != nodes:
        raise SetupError(f"the Swarm {swarm.name} has only {len(swarm.nodes)} of its {nodes} nodes left; {way_out}")
    try:
        in_parallel(start_node, [node for node in swarm.nodes if not is_running(node)])
        in_parallel(_check_joined, swarm.nodes)
        wait_ready(swarm)
        make_network(swarm, network)
    except SetupError as error:
        raise SetupError(f"the Swarm {swarm.name} is there, but broken; {way_out}\n{error}") from error
    return swarm


def _check_joined(node: Node) -> None:
    if _state(node) == "inactive":
        raise SetupError(f"{node.name} never joined it, or has left it")


def _state(node: Node) -> str:
    return node.docker("info", "--format", "{{.Swarm.LocalNodeState}}")


def _node(engine: Engine, swarm: str, name: str, role: str, address: str) -> Node:
    host = f"unix://{inventory.sockets(swarm, name) / 'docker.sock'}"
    return Node(
        name, "manager" if role == "manager" else "worker", address, host, swarm, f"{swarm}-{name}", engine.host
    )


def _image_id(host: str, tag: str) -> str:
    try:
        return docker(host, "image", "inspect", "--format", "{{.Id}}", tag)
    except SetupError:
        return ""
