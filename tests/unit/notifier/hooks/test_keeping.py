"""The file of webhooks."""

import pytest

from funswarm.errors import PermanentError
from services.notifier.hooks.keeping import HookFile, parse

ONE = "hooks:\n  - name: a\n    url: http://x/\n"


def test_yaml_and_json_are_read():
    assert parse(ONE) == parse('{"hooks": [{"name": "a", "url": "http://x/"}]}')


def test_an_empty_file_has_no_hooks():
    assert {} == parse("")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hooks: [", "no YAML"),
        ("- a", "JSON object"),
        ("hooks: [{name: a}]", "hooks.0.url"),
        ("hooks: [{name: a, url: http://x/, kind: [service]}]", "did you mean kinds"),
        (f"{ONE}  - name: a\n    url: http://y/\n", "the same name"),
        ("hooks: [{name: a, url: http://x/, headers: {X-A: '***'}}]", "no secret"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, words):
    with pytest.raises(PermanentError, match=words):
        parse(text)


def test_a_file_that_breaks_changes_nothing_and_says_so(tmp_path):
    path = tmp_path / "hooks.yml"
    path.write_text(ONE)
    file = HookFile(path)
    assert file.look()
    path.write_text("hooks: [")
    assert not file.look()
    assert ["a"] == list(file.hooks)
    assert "no YAML" in (file.why_not or "")


def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "hooks.yml"
    path.write_text(ONE)
    file = HookFile(path)
    assert [True, False] == [file.look(), file.look()]
    path.write_text("hooks: []")
    assert file.look()
    assert {} == file.hooks


def test_a_file_that_is_missing_is_said(tmp_path):
    file = HookFile(tmp_path / "absent.yml")
    file.look()
    assert "absent.yml" in (file.why_not or "")


def test_without_a_file_nothing_is_wrong():
    file = HookFile(None)
    assert not file.look()
    assert None is file.why_not
