"""What the README tells its reader to type does what it says, against `make run` on the simulator."""

import json
import re
import shlex
from pathlib import Path

import nats
import pytest

from tests.nats.run_scene import PATIENCE_S, run_of_page

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", README, flags=re.MULTILINE)}
RELEASE = "commands: [{name: more, command: {verb: scale, target: web, replicas: 4}}]"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_of_page(tmp_path_factory.mktemp("readme")) as run:
        yield run


def commands(title):
    """The lines to type in a section, joined where a backslash says so."""
    lines = "\n".join(re.findall(r"^    (.*)$", SECTIONS[title], flags=re.MULTILINE))
    return [line for line in lines.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("command", commands("HTTP"))
def test_each_line_of_curl_works(running, command):
    if " -N " in command:
        assert "HTTP/1.1 200 OK" == running.feed(command)[0]
    else:
        running.said(command)


def test_the_lines_of_the_command_line_work_one_after_the_other(running, tmp_path):
    (tmp_path / "release.yaml").write_text(RELEASE)
    for command in commands("Command line"):
        line = command.partition("#")[0]
        running.said(line + (" --limit 3" if " watch " in line else ""), tmp_path)


def test_the_python_example_runs(running):
    program = re.sub(r"^    ", "", SECTIONS["Python"].partition("\n")[2], flags=re.MULTILINE)
    assert "service hello converged" in running.printed(program)


async def test_the_request_by_nats_works(running):
    request = next(line for line in commands("NATS") if line.startswith("nats request"))
    _, _, subject, body = shlex.split(request)
    client = await nats.connect(f"nats://127.0.0.1:{running.nats_port}")
    answer = await client.request(subject, body.encode(), timeout=PATIENCE_S)
    await client.close()
    assert json.loads(answer.data)["status"] == "succeeded"
