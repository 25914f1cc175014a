"""`make run` as a process of its own, with free ports and a folder of its own, on the simulator."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from testbed import debian
from tests.report import ran_against
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

    def wait_for_all(self, token=None):
        """Until it is ready, and the notifier answers, too: /readyz does not wait for that."""
        self.wait_for("ready: ")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/v1/hooks", headers=headers)

        def answers():
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=PATIENCE_S).close()
                return True
            return False

        waited(answers, "the notifier")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=PATIENCE_S) as answer:
            return answer.headers, json.loads(answer.read())

    def create(self, name, **service):
        """A service of that name, over HTTP."""
        body = json.dumps({"name": name, "image": "nginx:alpine", **service}).encode()
        url, headers = f"http://127.0.0.1:{self.http_port}/v1/services", {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE_S).close()

    def here(self, text):
        """A page's text with the ports of this run."""
        text = text.replace("localhost:8484", f"127.0.0.1:{self.http_port}")
        return re.sub(r"(localhost|127\.0\.0\.1):4222", f"127.0.0.1:{self.nats_port}", text)

    def start(self, line, at=None, **options):
        """A line of a page at work in the folder `at`, as typed after `make run`; curl ends after PATIENCE_S."""
        curl = f"curl --silent --show-error --fail-with-body --max-time {PATIENCE_S} "
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NATS_URL": f"nats://127.0.0.1:{self.nats_port}",
        }
        words = ["sh", "-c", self.here(line).replace("curl ", curl, 1)]
        return subprocess.Popen(words, cwd=at, env=environment, stdout=subprocess.PIPE, text=True, **options)

    def feed(self, line):
        """What a line of curl without an end gets first: HTTP's status, and a line."""
        with self.start(f"exec {line}".replace("curl ", "curl --include ", 1)) as process:
            assert process.stdout is not None
            try:
                status = process.stdout.readline().strip()
                for _ in iter(process.stdout.readline, "\n"):
                    assert process.poll() is None, status
                return status, process.stdout.readline().strip()
            finally:
                process.terminate()

    def said(self, line, at=None):
        """What a line of a page prints; it succeeds."""
        with self.start(line, at, stderr=subprocess.PIPE) as process:
            try:
                said, why_not = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        assert 0 == process.returncode, f"{line}: {said}{why_not}"
        return said

    def program(self, text):
        """A program of a page at work."""
        words = [sys.executable, "-u", "-c", self.here(text)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def printed(self, text):
        """What a program of a page prints until it ends; it succeeds."""
        with self.program(text) as process:
            try:
                printed, _ = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        assert 0 == process.returncode, printed
        return printed

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


@contextmanager
def run_of_page(folder):
    """For what a page tells its readers to type."""
    debian.install({"curl": "curl"})
    run = Run(folder)
    try:
        run.wait_for_all()
        ran_against("nats", "make run on the simulator")
        yield run
    finally:
        run.end()


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
