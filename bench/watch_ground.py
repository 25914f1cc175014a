"""What the watch is measured on: a NATS, one poller, the simulator, each a process of its own; and dockerd's pid. I/O.

The NATS is that of `make run`, which syncs every write to the disk. The poller runs alone: neither scheduler nor api
takes part in the watch.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.running import Process, free_port
from services.supervisor import nats_server

READY_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Poller:
    """A running poller; `began_at`: when its process was started, on the monotonic clock."""

    process: Process
    began_at: float
    log: Path

    def complaint(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-2000:]


@contextlib.contextmanager
def started(command: tuple[str, ...], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends; its standard error goes to `log`, its standard output can be read."""
    with log.open("w") as output:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def nats(folder: Path) -> Iterator[str]:
    """The URL of a NATS that answers."""
    port = free_port()
    store = folder / "nats"
    program = nats_server.embedded(port, store, lock=-1)
    with started(program.command, program.env, folder / "nats.log"):
        _wait_for_port(nats_server.HOST, port)
        yield f"nats://{nats_server.HOST}:{port}"


def _wait_for_port(host: str, port: int) -> None:
    end = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, f"nobody listens at {host}:{port}"
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def poller(docker_host: str, nats_url: str, folder: Path) -> Iterator[Poller]:
    """One poller of that engine."""
    env = {**os.environ, "DOCKER_HOST": docker_host, "FUNSWARM_NATS_URL": nats_url}
    log = folder / "poller.log"
    began_at = time.monotonic()
    with started((sys.executable, "-m", "services.poller"), env, log) as process:
        yield Poller(Process(process.pid), began_at, log)


@contextlib.contextmanager
def simulator(folder: Path, nodes: int, services: int, tasks_per_service: int) -> Iterator[tuple[str, Process]]:
    """The DOCKER_HOST of a simulated Swarm of that size, once it answers."""
    sizes = ("--nodes", nodes, "--services", services, "--tasks-per-service", tasks_per_service)
    command = (sys.executable, "-m", "services.simulator", "--socket", folder / "engine.sock", *sizes)
    with started(tuple(map(str, command)), os.environ, folder / "simulator.log") as process:
        yield json.loads(ready_line(process))["ready"], Process(process.pid)


def ready_line(process: subprocess.Popen[bytes]) -> str:
    """The first line that a process writes to its standard output; within READY_TIMEOUT_S."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
    line = process.stdout.readline().decode() if readable else ""
    assert line, f"{process.args!r} does not get ready"
    return line


def engine_process(docker_host: str) -> Process:
    """The dockerd behind a local socket: who listens there, or where systemd does, the one dockerd of this machine."""
    assert docker_host.startswith("unix://"), f"dockerd's processor time cannot be read through {docker_host}"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(docker_host.removeprefix("unix://"))
        pid = int(struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    if _name(pid) == "dockerd":
        return Process(pid)
    ours = os.stat("/proc/self/ns/pid")  # noqa: PTH116
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            if _name(int(folder.name)) == "dockerd" and os.path.samestat(os.stat(folder / "ns/pid"), ours):  # noqa: PTH116
                return Process(int(folder.name))
    raise AssertionError(f"no dockerd found behind {docker_host}")


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
