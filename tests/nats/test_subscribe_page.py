"""The programs and curl lines of docs/subscribe.md do what the page says, against `make run` on the simulator."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from testbed import debian
from tests.nats.run_scene import PATIENCE_S, Run
from tests.report import ran_against

PAGE = (Path(__file__).parents[2] / "docs" / "subscribe.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
CURLS = re.findall(r"^(curl [^\n#]*)", PAGE, flags=re.MULTILINE)
TIMED_OUT = 28  # how curl says that it ended a feed that has no end


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    debian.install({"curl": "curl"})
    run = Run(tmp_path_factory.mktemp("subscribe"))
    run.wait_for("ready: ")
    ran_against("nats", "make run on the simulator")
    yield run
    run.end()


@pytest.fixture(scope="module")
def web(running):
    body = json.dumps({"name": "web", "image": "nginx:alpine", "replicas": 1}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.http_port}/v1/services", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert answer.status == 201


def started(running, program):
    there = program.replace("localhost:4222", f"127.0.0.1:{running.nats_port}")
    return subprocess.Popen(
        [sys.executable, "-u", "-c", there], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize("number", [0, 2], ids=["durable", "sdk"])
def test_a_program_prints_an_event(running, web, number):
    process = started(running, PROGRAMS[number])
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, printed
    assert re.search(r"^(\d+ )?(service|node) \w+ \S+$", printed, flags=re.MULTILINE), printed


def test_the_snapshot_is_followed_by_the_changes(running, web):
    process = started(running, PROGRAMS[1])
    assert process.stdout is not None
    first = process.stdout.readline()
    urllib.request.urlopen(f"http://127.0.0.1:{running.http_port}/create", timeout=PATIENCE_S).close()
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert re.fullmatch(r"\d+ objects at event \d+\n", first), first + rest
    assert (0, True) == (process.returncode, bool(re.search(r"^(service|task) \w+", rest))), rest


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line_gets_events(running, web, line):
    there = line.replace("localhost:8484", f"127.0.0.1:{running.http_port}")
    there = there.replace("curl ", "curl --silent --show-error --fail-with-body --max-time 3 ", 1)
    done = subprocess.run(["sh", "-c", there], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert TIMED_OUT == done.returncode, done.stdout + done.stderr
    assert done.stdout.strip()


def test_every_subject_of_the_page_is_under_the_prefix():
    assert not [word for word in re.findall(r"'(funswarm\.[^']*)'", PAGE) if not word.startswith("funswarm.event.")]
