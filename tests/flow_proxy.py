"""A small Docker Flow Proxy for tests: it answers reconfigure and remove, and drives a real HAProxy.

Its checks and answers are Docker Flow Proxy's (no route: 409, no port: 400, no replicas: as a removal); its servers are
on this machine's loopback, where a service's port is published.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import debian
from tests.receiver import OK, Asked, Receiver, Reply, receiver
from tests.servers import free_port

START_S = 60.0
BASE = "/v1/docker-flow-proxy"

CONFIG = """\
global
    stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend services
    bind 127.0.0.1:{port}
    monitor-uri /alive
{rules}
{backends}
"""
RULE = "    use_backend {name} if {{ path_beg {path} }}"
BACKEND = """\
backend {name}
    http-request replace-path {path}(/.*)? \\1
    server {name} 127.0.0.1:{port}
"""


class FlowProxy:
    """`url`: where services are served. `services`: the parameters of those that it knows, by name."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.services: dict[str, dict[str, str]] = {}
        self._folder = folder
        self._config = folder / "haproxy.cfg"
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Start HAProxy, and wait until it serves; installed first where it is missing."""
        debian.install({"haproxy": "haproxy"})
        binary = debian.find_command("haproxy")
        assert binary is not None
        self._write()
        with (self._folder / "haproxy.log").open("ab") as log:
            command = [binary, "-W", "-db", "-S", str(self._folder / "master.sock"), "-f", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while not (self._folder / "admin.sock").exists():
            assert self._process.poll() is None, (self._folder / "haproxy.log").read_text()
            assert time.monotonic() < end, "HAProxy did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def answer(self, asked: Asked) -> Reply:
        """What Docker Flow Proxy answers, once HAProxy was told."""
        parameters = asked.parameters
        name, path = parameters.get("serviceName"), parameters.get("servicePath")
        if not name:
            return Reply(400, b"serviceName query is mandatory")
        with self._one_at_a_time:
            if asked.path == f"{BASE}/remove" or parameters.get("replicas") == "0":
                self.services.pop(name, None)
            elif asked.path != f"{BASE}/reconfigure":
                return Reply(404)
            elif not path:
                return Reply(409, b"servicePath or serviceDomain are mandatory")
            elif not parameters.get("port"):
                return Reply(400, b"port query is mandatory")
            else:
                self.services[name] = parameters
            self._write()
            assert self._process is not None
            self._process.send_signal(signal.SIGUSR2)  # the master reads its configuration anew
        return OK

    def _write(self) -> None:
        rules, backends = [], []
        for name, parameters in sorted(self.services.items()):
            values = {"name": name, "path": parameters["servicePath"], "port": parameters["port"]}
            rules.append(RULE.format(**values))
            backends.append(BACKEND.format(**values))
        text = CONFIG.format(
            folder=self._folder, port=self.port, rules="\n".join(rules), backends="\n".join(backends)
        )  # fmt: skip
        self._config.write_text(text, encoding="utf-8")


@contextmanager
def flow_proxy(folder: Path) -> Iterator[tuple[FlowProxy, Receiver]]:
    """The proxy, and where it is told of services, for as long as the context lasts."""
    proxy = FlowProxy(folder)
    proxy.start()
    try:
        with receiver() as told:
            told.answer = proxy.answer
            yield proxy, told
    finally:
        proxy.stop()
