"""The commands and curl lines of docs/policies.md do what it says, against `make run` on the simulator."""

import json
import re
from pathlib import Path

import pytest

from tests.nats.run_scene import run_of_page, waited

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
LINES = re.findall(r"^((?:curl|funswarm) [^\n]*)", PAGE, flags=re.MULTILINE)
PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_of_page(tmp_path_factory.mktemp("policies")) as run:
        run.create("web", replicas=0, labels={"funswarm.depends-on": "db", "funswarm.keep": "true"})
        yield run


def test_the_lines_work_one_after_the_other(running):
    printed = [running.said(line) for line in LINES]
    assert len(LINES) == 9
    assert "policies leave web alone until" in printed[2]
    assert "keep leaves web alone until" in printed[3]
    assert 2 == printed[4].count("released: ")
    assert ["web"] == [one["service"] for one in json.loads(printed[7])["items"]]
    assert 1 == len(json.loads(printed[8])["items"])


def test_why_a_service_waits_is_explained(running):
    words = "depends-on rests waits for db, which does not exist"
    waited(lambda: words in running.said("funswarm explain web"), words)


def test_the_program_works(running):
    assert "released: 1\n" in running.printed(PROGRAM)
