"""What the README tells its reader to type does what it says, against `make run` on the simulator."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from testbed import debian
from tests.nats.run_scene import PATIENCE_S, Run
from tests.report import ran_against

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", README, flags=re.MULTILINE)}
RELEASE = "commands: [{name: more, command: {verb: scale, target: web, replicas: 4}}]"
CURL_TIMED_OUT = 28  # how a feed without an end ends here


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    debian.install({"curl": "curl"})
    run = Run(tmp_path_factory.mktemp("readme"))
    run.wait_for("ready: ")
    ran_against("nats", "make run on the simulator")
    yield run
    run.end()


def commands(title):
    """The lines to type in a section, joined where a backslash says so."""
    lines = "\n".join(re.findall(r"^    (.*)$", SECTIONS[title], flags=re.MULTILINE))
    return [line for line in lines.replace("\\\n", " ").splitlines() if line.strip()]


def shell(running, command, at=None):
    folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "NATS_URL": f"nats://127.0.0.1:{running.nats_port}",
    }
    return subprocess.run(
        ["sh", "-c", command], cwd=at, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize("command", commands("HTTP"))
def test_each_line_of_curl_works(running, command):
    endless = " -N " in command
    options = f"--silent --show-error --fail-with-body --max-time {2 if endless else PATIENCE_S}"
    there = command.replace("localhost:8484", f"127.0.0.1:{running.http_port}")
    done = shell(running, there.replace("curl ", f"curl {options} ", 1))
    assert (CURL_TIMED_OUT if endless else 0) == done.returncode, done.stdout + done.stderr


def test_the_lines_of_the_command_line_work_one_after_the_other(running, tmp_path):
    (tmp_path / "release.yaml").write_text(RELEASE)
    for command in commands("Command line"):
        limited = command + (" --limit 3" if " watch " in command else "")
        done = shell(running, limited.partition("#")[0], tmp_path)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_python_example_runs(running):
    program = re.sub(r"^    ", "", SECTIONS["Python"].partition("\n")[2], flags=re.MULTILINE)
    program = program.replace("nats://127.0.0.1:4222", f"nats://127.0.0.1:{running.nats_port}")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "service hello converged" in done.stdout


async def test_the_request_by_nats_works(running):
    request = next(line for line in commands("NATS") if line.startswith("nats request"))
    _, _, subject, body = shlex.split(request)
    client = await nats.connect(f"nats://127.0.0.1:{running.nats_port}")
    answer = await client.request(subject, body.encode(), timeout=30)
    await client.close()
    assert json.loads(answer.data)["status"] == "succeeded"
