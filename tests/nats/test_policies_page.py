"""The commands and curl lines of docs/policies.md do what it says, against `make run` on the simulator."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from testbed import debian
from tests.nats.run_scene import PATIENCE_S, Run
from tests.report import ran_against

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
LINES = re.findall(r"^((?:curl|funswarm) [^\n]*)", PAGE, flags=re.MULTILINE)
PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]
WEB = {
    "name": "web", "image": "nginx:alpine", "replicas": 0,
    "labels": {"funswarm.depends-on": "db", "funswarm.keep": "true"},
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    debian.install({"curl": "curl"})
    run = Run(tmp_path_factory.mktemp("policies"))
    run.wait_for("ready: ")
    ran_against("nats", "make run on the simulator")
    url, headers = f"http://127.0.0.1:{run.http_port}/v1/services", {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(WEB).encode(), headers), timeout=PATIENCE_S).close()
    yield run
    run.end()


def done(running, line):
    there = line.replace("localhost:8484", f"127.0.0.1:{running.http_port}")
    return run_there(running, there.replace("curl ", "curl --silent --show-error --fail-with-body ", 1), shell=True)


def run_there(running, command, **options):
    environment = {**os.environ, "NATS_URL": f"nats://127.0.0.1:{running.nats_port}"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    there = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment, **options
    )
    assert there.returncode == 0, there.stdout + there.stderr
    return there.stdout


def test_the_lines_work_one_after_the_other(running):
    printed = [done(running, line) for line in LINES]
    assert len(LINES) == 9
    assert "policies leave web alone until" in printed[2]
    assert "keep leaves web alone until" in printed[3]
    assert 2 == printed[4].count("released: ")
    assert ["web"] == [one["service"] for one in json.loads(printed[7])["items"]]
    assert 1 == len(json.loads(printed[8])["items"])


def test_why_a_service_waits_is_explained(running):
    assert "depends-on rests waits for db, which does not exist" in done(running, "funswarm explain web")


def test_the_program_works(running):
    program = PROGRAM.replace("localhost:4222", f"127.0.0.1:{running.nats_port}")
    assert "released: 1\n" in run_there(running, [sys.executable, "-c", program])
