"""The file of webhooks."""

from itertools import count

import pytest

from funswarm.errors import PermanentError
from services.notifier.hooks.keeping import HookFile, parse

ONE = "hooks:\n  - name: a\n    url: http://x/\n"


def test_yaml_and_json_are_read():
    assert parse(ONE) == parse('{"hooks": [{"name": "a", "url": "http://x/"}]}')


def test_a_file_may_want_no_hooks():
    assert {} == parse("hooks: []")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty: write `hooks: "),
        ("{}", "hooks: Field required"),
        ("hooks: [", "no YAML"),
        ("hooks: []\nhooks: []", "'hooks' is there twice"),
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


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "hooks.yml"
    path.write_text(ONE)
    return path


@pytest.fixture
def file(path):
    """It was read."""
    file = HookFile(path, count().__next__)
    assert [False, True] == [file.look(), file.look()]
    return file


def test_a_file_that_breaks_changes_nothing_and_says_so(file, path):
    path.write_text("hooks: [")
    assert [False, False] == [file.look(), file.look()]
    assert (["a"], False) == (list(file.hooks), file.settled)
    assert "no YAML" in (file.why_not or "")


def test_a_file_is_read_again_when_it_changes(file, path):
    path.write_text("hooks: []")
    assert [False, True, False] == [file.look(), file.look(), file.look()]
    assert {} == file.hooks


def test_half_a_file_keeps_the_hooks(file, path):
    path.write_text("hooks: []\n")  # and the lines of the hooks are still to come
    file.look()
    path.write_text(ONE)
    file.look()
    assert (["a"], None) == (list(file.hooks), file.why_not)


def test_a_file_that_cannot_be_read_for_a_moment_is_read_again(file, path):
    away = path.rename(path.with_suffix(".away"))
    assert (False, False) == (file.look(), file.settled)
    away.rename(path)
    assert [False, True] == [file.look(), file.look()]
    assert (["a"], None, True) == (list(file.hooks), file.why_not, file.settled)


def test_a_file_that_is_too_large_is_told(file, path):
    path.write_text(ONE + "#" * 256 * 1024)
    assert [False, False] == [file.look(), file.look()]
    assert "hooks.yml: it is larger than 262144 bytes" in (file.why_not or "")


def test_a_file_that_is_missing_is_said(tmp_path):
    file = HookFile(tmp_path / "absent.yml")
    file.look()
    assert "absent.yml" in (file.why_not or "")


def test_a_file_that_was_not_read_yet_may_have_hooks(path):
    assert not HookFile(path).settled


def test_after_another_copy_was_active_the_file_is_read_before_its_hooks_hold(file, path):
    file.begin()
    assert (False, False) == (file.settled, file.look())
    assert (True, True) == (file.look(), file.settled)


def test_after_another_copy_was_active_the_hooks_of_a_file_that_is_broken_hold_on(file, path):
    path.write_text("hooks: [")
    file.begin()
    assert [False, True, False] == [file.look(), file.look(), file.look()]
    assert (["a"], False) == (list(file.hooks), file.settled)


def test_without_a_file_nothing_is_wrong():
    file = HookFile(None)
    assert not file.look()
    assert None is file.why_not
    assert file.settled
