"""The lines of docs/autoscale.md do what it says, against `make run` on the simulator."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from testbed import debian
from tests.nats.run_scene import PATIENCE_S, Run
from tests.report import ran_against

PAGE = (Path(__file__).parents[2] / "docs" / "autoscale.md").read_text(encoding="utf-8")
CURL = re.findall(r"^(curl [^\n]*)", PAGE, flags=re.MULTILINE)[0]
EXPLAIN = re.findall(r"`(funswarm explain [^`]*)`", " ".join(PAGE.split()))[0]
LABELS = {"funswarm.autoscale.enable": "true", "funswarm.autoscale.push": "100"}
WORKER = {"name": "worker", "image": "nginx:alpine", "replicas": 1, "labels": LABELS}


def test_a_number_that_is_pushed_scales_and_is_explained(tmp_path):
    debian.install({"curl": "curl"})
    run = Run(tmp_path)
    try:
        run.wait_for("ready: ")
        ran_against("nats", "make run on the simulator")
        url, headers = f"http://127.0.0.1:{run.http_port}/v1/services", {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(WORKER).encode(), headers)
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
        curl = CURL.replace("localhost:8484", f"127.0.0.1:{run.http_port}").replace("curl ", "curl -sS -f ", 1)
        printed(run, curl, '"value":120')  # not before it is followed
        assert "1 → 2 replicas: push wants 2" in printed(run, EXPLAIN, "did")
    finally:
        run.end()


def printed(run: Run, line: str, words: str) -> str:
    """What the line prints, once these words are in it."""
    environment = {**os.environ, "NATS_URL": f"nats://127.0.0.1:{run.nats_port}"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    end = time.monotonic() + PATIENCE_S
    while True:
        there = subprocess.run(
            line, capture_output=True, text=True, timeout=PATIENCE_S, check=False, shell=True, env=environment
        )
        if words in there.stdout:
            return there.stdout
        assert time.monotonic() < end, there.stdout + there.stderr
        time.sleep(0.2)
