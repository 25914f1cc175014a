"""What of a testbed's Swarms exists on the host engine: labelled containers, volumes and networks. I/O.

It is read from the engine each time, never from a file of ours: so nothing can be out of date, and `remove` finds what
a killed process left half-made.
"""

import ipaddress
import json
import shutil
from pathlib import Path

from testbed.engine import Engine
from testbed.shell import run_folder, succeeds, wait_for

LABEL = "funswarm.testbed"
"""Its value is the Swarm's name; a container has more labels that begin so: see `swarm`."""

_REMOVE_S = 180


def labels(engine: Engine, mark: str) -> list[dict[str, str]]:
    """The labels of each container that has the label `mark` (a name, or name=value), without their common prefix."""
    ids = engine.docker("ps", "--all", "--quiet", "--filter", f"label={mark}").split()
    if not ids:
        return []
    prefix = f"{LABEL}."
    texts = engine.docker("inspect", "--format", "{{json .Config.Labels}}", *ids).splitlines()
    return [{key.removeprefix(prefix): value for key, value in json.loads(text).items()} for text in texts]


def make_bridge(engine: Engine, name: str) -> ipaddress.IPv4Network:
    """Make the nodes' network and return its addresses.

    A node keeps its address over a power cut only in a network whose addresses were given. So the engine chooses some
    that are free, and they are given back to it.
    """

    def made() -> ipaddress.IPv4Network:
        create = ("network", "create", "--driver=bridge", f"--label={LABEL}={name}")
        engine.docker(*create, name)
        chosen = engine.docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name)
        engine.docker("network", "rm", name)
        engine.docker(*create, f"--subnet={chosen}", name)
        return ipaddress.IPv4Network(chosen)

    # Another Swarm that is made at this moment may take the addresses in between.
    return wait_for(made, f"free addresses for the network {name}", 120)


def remove(engine: Engine, name: str) -> bool:
    """Remove all that has the Swarm's label; False when nothing had.

    It goes on until nothing has: the engine may refuse while something is in motion.
    """
    found = False
    mark = f"label={LABEL}={name}"
    containers = engine.docker("ps", "--all", "--filter", mark, "--format", "{{.Names}}").split()
    for list_all, remove_all in (
        (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
        (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
        (("network", "ls", "--quiet"), ("network", "rm")),
    ):

        def removed(list_all: tuple[str, ...] = list_all, remove_all: tuple[str, ...] = remove_all) -> bool:
            nonlocal found
            left = engine.docker(*list_all, "--filter", mark).split()
            found = found or bool(left)
            if left:
                engine.docker(*remove_all, *left, timeout_s=_REMOVE_S)
            return not left

        wait_for(removed, f"docker {' '.join(remove_all)} of the Swarm {name}", _REMOVE_S, every_s=0.5)
    shutil.rmtree(sockets(name), ignore_errors=True)
    for container in containers:
        _remove_cgroups(container)
    return found


def _remove_cgroups(container: str) -> None:
    """Remove the (empty) control groups that a node without privileges has left in the host's tree."""
    for tree in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")):
        if (tree / container).is_dir():
            succeeds("find", str(tree / container), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+")


def sockets(swarm: str, *node: str) -> Path:
    """The folder of the nodes' sockets, or of one node's."""
    return run_folder().joinpath("swarms", swarm, *node)
