"""The commands, curl lines and program of docs/schedules.md do what it says, against `make run` on the simulator."""

import json
import re
from pathlib import Path

import pytest

from tests.nats.run_scene import run_of_page

PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
LINES = re.findall(r"^((?:curl|funswarm) [^\n]*)", PAGE, flags=re.MULTILINE)
PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_of_page(tmp_path_factory.mktemp("schedules")) as run:
        run.create("web")
        yield run


def test_the_lines_work_one_after_the_other(running):
    printed = [running.said(line) for line in LINES]
    assert ["lunch", "once", "hourly"] == [words.split()[0] for words in printed[:3]]
    assert "scale web" in printed[3]
    assert "hourly is cancelled\n" == printed[5]
    assert {"lunch", "night", "once"} == {one["schedule"]["name"] for one in json.loads(printed[7])["items"]}


def test_the_program_works(running):
    assert "under way: None\n" in running.printed(PROGRAM)
