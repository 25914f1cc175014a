"""The commands, curl lines and program of docs/schedules.md do what it says, against `make run` on the simulator."""

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

PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
LINES = re.findall(r"^((?:curl|funswarm) [^\n]*)", PAGE, flags=re.MULTILINE)
PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    debian.install({"curl": "curl"})
    run = Run(tmp_path_factory.mktemp("schedules"))
    run.wait_for("ready: ")
    ran_against("nats", "make run on the simulator")
    body = json.dumps({"name": "web", "image": "nginx:alpine"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{run.http_port}/v1/services", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=PATIENCE_S).close()
    yield run
    run.end()


def done(running, command, **options):
    environment = {**os.environ, "NATS_URL": f"nats://127.0.0.1:{running.nats_port}"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    there = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment, **options
    )
    assert there.returncode == 0, there.stdout + there.stderr
    return there.stdout


def test_the_lines_work_one_after_the_other(running):
    printed = []
    for line in LINES:
        there = line.replace("localhost:8484", f"127.0.0.1:{running.http_port}")
        there = there.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        printed.append(done(running, there, shell=True))
    assert ["lunch", "once", "hourly"] == [words.split()[0] for words in printed[:3]]
    assert "scale web" in printed[3]
    assert "hourly is cancelled\n" == printed[5]
    assert {"lunch", "night", "once"} == {one["schedule"]["name"] for one in json.loads(printed[7])["items"]}


def test_the_program_works(running):
    there = PROGRAM.replace("localhost:4222", f"127.0.0.1:{running.nats_port}")
    assert "under way: None\n" in done(running, [sys.executable, "-c", there])
