"""`make run` as a process of its own, with free ports and a folder of its own, on the simulator."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from tests.servers import free_port

PATIENCE_S = 120
PARTS = ("poller", "scheduler", "notifier", "api")
PROGRAMS = ("nats-server", "services.simulator", *(f"services.{part}" for part in PARTS))


class Run:
    """One `python -m services`, with free ports and a folder of its own."""

    def __init__(self, folder, **env):
        self.folder = folder
        self.http_port, self.nats_port = free_port(), free_port()
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("FUNSWARM_", "NATS_"))}
        variables |= {
            "DOCKER_HOST": "unix:///nowhere/docker.sock",
            "FUNSWARM_DATA_DIR": str(folder),
            "FUNSWARM_HTTP_PORT": str(self.http_port),
            "FUNSWARM_NATS_PORT": str(self.nats_port),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services"],
            env=variables | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.reading = threading.Thread(target=self.read)
        self.reading.start()

    def read(self):
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    def wait_for(self, pattern):
        return waited(lambda: re.search(pattern, "".join(self.lines)), f"{pattern} in:\n{''.join(self.lines)}")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=30) as answer:
            return answer.headers, json.loads(answer.read())

    def children(self):
        """The processes that it started: part -> pid."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            name = next((Path(word).name for word in words if Path(word).name in PROGRAMS), None)
            if int(parent) == self.process.pid and name:
                found[name] = int(folder.name)
        return found

    def end(self, number=signal.SIGINT):
        """Its exit code after that signal."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self.reading.join(timeout=PATIENCE_S)
        return code


def waited(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
