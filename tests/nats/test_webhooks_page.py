"""The example of docs/webhooks.md does what the page says, against `make run` on the simulator."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nats.run_scene import PATIENCE_S, Run, waited
from tests.report import ran_against
from tests.servers import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def block(language):
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("webhooks"))
    run.wait_for("ready: ")
    ran_against("nats", "make run on the simulator")
    yield run
    run.end()


def test_the_receiver_is_told_as_the_page_says(running, tmp_path):
    port = str(free_port())
    hook = tmp_path / "hook.json"
    hook.write_text(block("json").replace("9000", port))
    printed = tmp_path / "printed"
    environment = os.environ | {"NATS_URL": f"nats://127.0.0.1:{running.nats_port}"}
    commands = [line.partition("#")[0].strip() for line in block("sh").splitlines()]
    program = [sys.executable, "-u", "-c", block("python").replace("9000", port)]
    with printed.open("wb") as output, subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT) as receiver:
        try:
            for line in commands:
                words = line.replace("hook.json", str(hook)).split()
                done = subprocess.run(
                    [sys.executable, "-m", *words], env=environment, capture_output=True, text=True,
                    timeout=PATIENCE_S, check=False,
                )  # fmt: skip
                assert 0 == done.returncode, done.stdout + done.stderr
            waited(lambda: "funswarm.service.created web" in printed.read_text(), "the receiver to print it")
        finally:
            receiver.kill()
    assert "alerts" in done.stdout


def test_the_json_of_the_page_is_a_webhook():
    assert "alerts" == json.loads(block("json"))["name"]
