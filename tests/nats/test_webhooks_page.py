"""The example of docs/webhooks.md does what the page says, against `make run` on the simulator."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nats.run_scene import run_of_page, waited
from tests.servers import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def block(language):
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_of_page(tmp_path_factory.mktemp("webhooks")) as run:
        yield run


def test_the_receiver_is_told_as_the_page_says(running, tmp_path):
    port = str(free_port())
    (tmp_path / "hook.json").write_text(block("json").replace("9000", port))
    printed = tmp_path / "printed"
    program = [sys.executable, "-u", "-c", block("python").replace("9000", port)]
    with printed.open("wb") as output, subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT) as receiver:
        try:
            said = [running.said(line, tmp_path) for line in block("sh").splitlines()]
            waited(lambda: "funswarm.service.created web" in printed.read_text(), "the receiver to print it")
        finally:
            receiver.kill()
    assert "alerts" in said[-1]


def test_the_json_of_the_page_is_a_webhook():
    assert "alerts" == json.loads(block("json"))["name"]
