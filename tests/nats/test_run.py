"""`make run` as its user sees it: a process, its lines, its exit code. On the simulator, with a real nats-server."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.report import ran_against

PATIENCE_S = 120


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
                command = (folder / "cmdline").read_bytes().decode().split("\0")
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == self.process.pid:
                found[Path(command[0]).name if "nats-server" in command[0] else command[2]] = int(folder.name)
        return found

    def end(self, number=signal.SIGINT):
        """Its exit code after that signal."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self.reading.join(timeout=PATIENCE_S)
        return code


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


@pytest.fixture
def start(tmp_path):
    started = []

    def start(**env):
        started.append(Run(tmp_path / "data", **env))
        return started[-1]

    yield start
    for run in started:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)
        run.reading.join(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("run"))
    run.wait_for(r"ready: http://localhost:\d+/health")
    ran_against("nats", "make run on the simulator")
    yield run
    assert run.end() == 0


def test_without_an_engine_it_says_loudly_that_all_is_simulated(running):
    assert running.wait_for(r"!!! NO DOCKER ENGINE, ALL IS SIMULATED.*nowhere")


def test_it_says_which_nats_it_started(running):
    assert running.wait_for(rf"NATS 2\.\d+\.\d+ at nats://127.0.0.1:{running.nats_port}, started here")


def test_health_says_that_it_is_the_simulator(running):
    assert running.get("/health")[1]["simulator"] is True


def test_each_answer_says_that_it_is_the_simulator(running):
    headers, _ = running.get("/health")
    assert [value for name, value in headers.items() if "simulat" in name.lower()] != []


def test_the_original_create_creates_a_service(running):
    running.get("/create")
    waited(lambda: any(one["name"] == "service-1" for one in running.get("/health")[1]["services"]), "service-1")


def test_a_part_that_dies_is_started_again_and_said(running):
    before = running.children()["services.scheduler"]
    os.kill(before, signal.SIGKILL)
    running.wait_for(r"scheduler \| was ended by SIGKILL; started again in")
    assert waited(lambda: running.children().get("services.scheduler"), "the new scheduler") != before


def test_a_second_one_in_the_same_folder_says_who_is_there(running):
    second = Run(running.folder)
    assert second.process.wait(timeout=PATIENCE_S) == 1
    second.wait_for(rf"cannot run: Funswarm runs already .*\(process {running.process.pid}\)")
    second.reading.join(timeout=PATIENCE_S)


def test_ctrl_c_ends_all_and_names_the_folder_of_the_data(start):
    run = start()
    run.wait_for("NO DOCKER ENGINE")
    children = waited(lambda: len(run.children()) == 5 and run.children(), "five children")
    assert run.end() == 0
    assert [] == [name for name, pid in children.items() if alive(pid)]
    assert f"the data stay in {run.folder}" in run.lines[-1]


def test_the_children_end_with_a_supervisor_that_is_killed(start):
    run = start()
    children = waited(lambda: len(run.children()) == 5 and run.children(), "five children")
    run.process.kill()
    waited(lambda: not any(alive(pid) for pid in children.values()), "all children gone")


def test_a_taken_port_is_said_before_anything_starts(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = start(FUNSWARM_HTTP_PORT=str(taken.getsockname()[1]))
        assert run.process.wait(timeout=PATIENCE_S) == 1
    run.wait_for("is not free .*FUNSWARM_HTTP_PORT")
    assert len(run.lines) == 1


def test_a_wrong_setting_is_named_and_the_exit_code_is_2(start):
    run = start(FUNSWARM_HTTP_PORT="x")
    assert run.process.wait(timeout=PATIENCE_S) == 2
    run.wait_for("settings are wrong: FUNSWARM_HTTP_PORT='x'")
