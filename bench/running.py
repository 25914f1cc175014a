"""A whole Funswarm for a benchmark: `python -m services` on free ports, its data in a folder that goes away. I/O."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One running part."""

    pid: int

    def cpu_s(self) -> float:
        """The seconds of processor time that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Its resident memory, in MB (10^6)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError(f"process {self.pid} has no resident memory: it ended")


@dataclass(frozen=True, slots=True)
class Running:
    """Where it is reached, and its processes by part: nats, poller, scheduler, api."""

    http_url: str
    nats_url: str
    parts: dict[str, Process]


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def funswarm(docker_host: str, **settings: str) -> Iterator[Running]:
    """Run it against that engine until the block ends; returns once `/readyz` is 200 (at most 120 s)."""
    http_port, nats_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="funswarm-bench-") as folder:
        env = {
            **os.environ,
            **settings,
            "DOCKER_HOST": docker_host,
            "FUNSWARM_HTTP_PORT": str(http_port),
            "FUNSWARM_NATS_PORT": str(nats_port),
            "FUNSWARM_DATA_DIR": folder,
        }
        with Path(folder, "log").open("w") as log:
            command = [sys.executable, "-m", "services"]
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{http_port}"
            _wait_ready(url, process, Path(folder, "log"))
            yield Running(url, f"nats://127.0.0.1:{nats_port}", _parts(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"it does not get ready:\n{log.read_text()[-3000:]}")


def _parts(parent: int) -> dict[str, Process]:
    found: dict[str, Process] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().decode().split("\0")
            if int(fields[1]) == parent:
                name = next((word.removeprefix("services.") for word in command if word.startswith("services.")), "")
                found[name or Path(command[0]).name.removesuffix("-server")] = Process(int(folder.name))
    return found
