"""The programs and curl lines of docs/subscribe.md do what the page says, against `make run` on the simulator."""

import re
import urllib.request
from pathlib import Path

import pytest

from tests.nats.run_scene import PATIENCE_S, run_of_page

PAGE = (Path(__file__).parents[2] / "docs" / "subscribe.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
CURLS = re.findall(r"^(curl [^\n#]*)", PAGE, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_of_page(tmp_path_factory.mktemp("subscribe")) as run:
        run.create("web")
        yield run


@pytest.mark.parametrize("number", [0, 2], ids=["durable", "sdk"])
def test_a_program_prints_an_event(running, number):
    assert re.search(r"^(\d+ )?(service|node) \w+ \S+$", running.printed(PROGRAMS[number]), flags=re.MULTILINE)


def test_the_snapshot_is_followed_by_the_changes(running):
    process = running.program(PROGRAMS[1])
    assert process.stdout is not None
    first = process.stdout.readline()
    urllib.request.urlopen(f"http://127.0.0.1:{running.http_port}/create", timeout=PATIENCE_S).close()
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert re.fullmatch(r"\d+ objects at event \d+\n", first), first + rest
    assert (0, True) == (process.returncode, bool(re.search(r"^(service|task) \w+", rest))), rest


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line_gets_events(running, line):
    status, first = running.feed(line)
    assert ("HTTP/1.1 200 OK", True) == (status, bool(first))


def test_every_subject_of_the_page_is_under_the_prefix():
    assert not [word for word in re.findall(r"'(funswarm\.[^']*)'", PAGE) if not word.startswith("funswarm.event.")]
