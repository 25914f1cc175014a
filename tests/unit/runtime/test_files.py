"""A file that is looked at again and again: when it gives a text, and what is said where it gives none."""

import os
from itertools import count

import pytest

from services.files import Unreadable, WatchedFile


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.yml"
    path.write_text("one")
    return path


@pytest.fixture
def file(path):
    return WatchedFile(path, 10, count().__next__)


def test_a_text_is_given_once_when_two_looks_see_the_same(file):
    assert [None, "one", None] == [file.look() for _ in range(3)]


def test_what_is_forgotten_is_given_again(file):
    file.look(at_once=True)
    file.forget()
    assert [None, "one", None] == [file.look() for _ in range(3)]


def test_at_once_is_by_the_first_look(file):
    assert ["one", None] == [file.look(at_once=True), file.look()]


def test_half_a_text_is_not_given(file, path):
    file.look(at_once=True)
    path.write_text("tw")
    assert file.look() is None
    path.write_text("two")
    assert [None, "two"] == [file.look(), file.look()]


def test_a_text_that_was_there_for_a_moment_counts_for_nothing(file, path):
    file.look(at_once=True)
    stamp = path.stat()
    for _ in range(2):
        path.write_text("two")
        assert file.look() is None
        path.write_text("one")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert file.look() is None


def test_another_file_of_the_same_size_and_time_is_seen(file, path):
    file.look(at_once=True)
    stamp, other = path.stat(), path.with_suffix(".new")
    other.write_text("two")
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.rename(path)
    assert "two" == file.look(at_once=True)


def test_a_file_that_cannot_be_read_for_a_moment_is_read_again(file, path):
    file.look(at_once=True)
    away = path.rename(path.with_suffix(".away"))
    for _ in range(2):
        with pytest.raises(Unreadable, match=r"it cannot be read: .*file\.yml"):
            file.look()
    away.rename(path)
    assert [None, "one"] == [file.look(), file.look()]


@pytest.mark.parametrize(("content", "why"), [(b"x" * 11, "it is larger than 10 bytes"), (b"\xff", "it is no UTF-8")])
def test_what_is_no_text_is_said_once(file, path, content, why):
    path.write_bytes(content)
    assert file.look() is None
    with pytest.raises(Unreadable, match=why):
        file.look()
    assert file.look() is None


def test_it_is_looked_at_once_a_second_at_most(path):
    file = WatchedFile(path, now=lambda: 0.0)
    assert "one" == file.look(at_once=True)
    path.unlink()
    assert file.look() is None
