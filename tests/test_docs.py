"""The generated documentation is current, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.generator import FOLDER, render

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(FOLDER.rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def rendered():
    return render()


def test_what_is_generated_is_current(rendered):
    there = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in rendered}
    assert [] == [path.name for path, text in rendered.items() if text != there[path]], "run `make docs`"


def test_there_is_no_schema_of_a_model_that_is_gone(rendered):
    assert set(FOLDER.glob("schemas/*.json")) <= set(rendered)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(page):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert missing == []
