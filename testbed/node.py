"""One node of a testbed Swarm: a container with a Docker engine in it, and the switches that break and mend it. I/O.

`kill_node` is a power cut (`start_node` brings the machine back with its disk), `kill_dockerd` a crash of the engine
alone, `stop_dockerd` its orderly stop, `disconnect_node` a pulled network cable. A node's engine comes back by itself
after a crash that nobody asked for.
"""

import ipaddress
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.engine import docker
from testbed.shell import SetupError, last_lines, wait_for

_START_S = 180
_CHANGE_S = 120
SOCKET_FOLDER = "/testbed"
"""Where a node's container has the folder of its socket, which is bind-mounted from the host."""
EXTRA_FLAGS = "flags"
"""A file in that folder: more flags for the node's dockerd, from its next start on."""

_ACCESS_PRIVILEGED = ("--privileged",)
# For a sandbox that lacks CAP_SYS_RESOURCE itself, and so cannot give every privilege.
_ACCESS_CAPABILITIES = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)

# The container's first process: it keeps dockerd running unless it was told to leave it stopped. Pid files of a dead
# daemon go first, because their number may by now be another process's.
_SUPERVISOR = """
mount -o remount,rw /sys 2>/dev/null
if [ ! -e /usr/local/bin/dind ] && [ "$(cat /proc/self/cgroup)" = 0::/ ] && [ -e /sys/fs/cgroup/cgroup.procs ]; then
  mkdir -p /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs; done 2>/dev/null
  sed 's/ / +/g; s/^/+/' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi
start=
command -v dockerd-entrypoint.sh >/dev/null && start=dockerd-entrypoint.sh
trap 'kill -TERM "$(cat /run/docker.pid)" 2>/dev/null; wait; exit 0' TERM INT
while :; do
  if [ ! -e /run/dockerd.stopped ]; then
    rm -f /run/docker.pid
    containerd=/run/docker/containerd/containerd.pid
    [ -e $containerd ] && ! grep -q containerd "/proc/$(cat $containerd)/cmdline" 2>/dev/null && rm -f $containerd
    more=$(cat %(extra)s 2>/dev/null)
    $start dockerd --pidfile=/run/docker.pid --exec-root=/run/docker --log-level=warn %(flags)s $more 2>&1 &
    wait $!
    echo "testbed: dockerd ended with status $?"
  fi
  sleep 0.3 &
  wait $!
done
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name in the Swarm, its address on the nodes' network, and `host`, the DOCKER_HOST of its engine.

    `container` is what it runs in, on the host engine at `engine` (a DOCKER_HOST); `swarm` is its Swarm's name.
    """

    name: str
    role: Literal["manager", "worker"]
    address: str
    host: str
    swarm: str
    container: str
    engine: str

    def docker(self, *arguments: str, timeout_s: float = 60) -> str:
        """Run the docker command line against this node's engine and return its output; `SetupError` when it fails."""
        return docker(self.host, *arguments, timeout_s=timeout_s)

    def log(self) -> str:
        """The last lines of this node's dockerd."""
        try:
            return last_lines(docker(self.engine, "logs", "--tail", "20", self.container))
        except SetupError as error:
            return f"(no log: {error})"


def access(engine: str, image: str) -> tuple[str, ...]:
    """The options with which the host engine lets a container be a node: privileged where that is possible."""
    try:
        docker(engine, "run", "--rm", "--privileged", "--network=none", "--entrypoint=true", image, timeout_s=180)
    except SetupError:
        return _ACCESS_CAPABILITIES
    return _ACCESS_PRIVILEGED


def run_arguments(
    node: Node, image: str, options: tuple[str, ...], resolvers: tuple[str, ...], group: int
) -> list[str]:
    """The docker arguments that switch a new node on. Pure.

    `options` come from `access`. `group` is the id of the group that may use the node's socket on the host.
    """
    sockets = Path(node.host.removeprefix("unix://")).parent
    flags = ["--host=unix:///run/docker.sock", f"--host=unix://{SOCKET_FOLDER}/docker.sock", f"--group={group}"]
    flags += [f"--dns={resolver}" for resolver in resolvers]
    if options == _ACCESS_CAPABILITIES:
        # The cgroups of all nodes' containers are in one tree then, the host's.
        flags.append(f"--cgroup-parent=/{node.container}")
    return [
        "run",
        "--detach",
        f"--name={node.container}",
        f"--hostname={node.name}",
        f"--network={node.swarm}",
        f"--ip={node.address}",
        "--tmpfs=/run",
        f"--volume={node.container}:/var/lib/docker",
        f"--volume={sockets}:{SOCKET_FOLDER}",
        *options,
        "--entrypoint=sh",
        image,
        "-c",
        _SUPERVISOR
        % {"flags": " ".join(shlex.quote(flag) for flag in flags), "extra": f"{SOCKET_FOLDER}/{EXTRA_FLAGS}"},
    ]


def host_resolvers(resolv_conf: str) -> tuple[str, ...]:
    """The name servers in the text of a resolv.conf that containers can reach too: not those on loopback. Pure.

    A node's engine would otherwise ask a public one, because its own (Docker's, on 127.0.0.11) is on loopback.
    """
    found = re.findall(r"^nameserver\s+(\S+)", resolv_conf, re.MULTILINE)
    return tuple(address for address in found if "%" not in address and not ipaddress.ip_address(address).is_loopback)


def kill_node(node: Node) -> None:
    """Cut the power of a node: everything in it dies at once, its disk stays."""
    docker(node.engine, "kill", node.container)
    wait_for(lambda: not is_running(node), f"{node.container} to be off", _CHANGE_S)


def start_node(node: Node) -> None:
    """Switch a node on again and wait until its engine answers. It may take longer to be Ready in the Swarm."""
    docker(node.engine, "start", node.container)
    wait_for_dockerd(node)


def disconnect_node(node: Node) -> None:
    """Pull the network cable of a node; its engine can still be reached from the host."""
    docker(node.engine, "network", "disconnect", node.swarm, node.container)


def connect_node(node: Node) -> None:
    """Put the network cable of a node back, with the same address."""
    docker(node.engine, "network", "connect", f"--ip={node.address}", node.swarm, node.container)


def stop_dockerd(node: Node) -> None:
    """Stop a node's engine in an orderly way, with its containers, and leave it stopped."""
    _end_dockerd(node, "TERM")


def kill_dockerd(node: Node) -> None:
    """Crash a node's engine, and leave it so; its containers run on."""
    _end_dockerd(node, "KILL")


def start_dockerd(node: Node) -> None:
    """Start a node's engine after `stop_dockerd` or `kill_dockerd`, and wait until it answers."""
    docker(node.engine, "exec", node.container, "rm", "-f", "/run/dockerd.stopped")
    wait_for_dockerd(node)


def wait_for_dockerd(node: Node) -> None:
    """Wait until a node's engine answers; `SetupError` with its log otherwise, at once if the node went off."""

    def answers() -> bool:
        return dockerd_answers(node) or not is_running(node)

    wait_for(answers, f"the engine of {node.container}", _START_S, log=node.log)
    if not is_running(node):
        raise SetupError(f"{node.container} went off again. Its log:\n{node.log()}")


def dockerd_answers(node: Node) -> bool:
    """Whether a node's engine answers now."""
    try:
        node.docker("version", timeout_s=10)
    except SetupError:
        return False
    return True


def is_running(node: Node) -> bool:
    """Whether a node is switched on."""
    return docker(node.engine, "inspect", "--format", "{{.State.Running}}", node.container) == "true"


def _end_dockerd(node: Node, signal: str) -> None:
    pid = docker(node.engine, "exec", node.container, "cat", "/run/docker.pid")
    end = f"touch /run/dockerd.stopped; kill -{signal} {pid}"
    docker(node.engine, "exec", node.container, "sh", "-c", end)
    gone = f"[ ! -e /proc/{pid} ]"

    def ended() -> bool:
        docker(node.engine, "exec", node.container, "sh", "-c", gone)
        return True

    wait_for(ended, f"the engine of {node.container} to end", _CHANGE_S, log=node.log)
