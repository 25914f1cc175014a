"""What goes into the images that are built from Debian's packages."""

import tarfile
from pathlib import Path

from testbed import debian
from testbed.debian import RootFiles
from testbed.images import pip_config


def test_pip_keeps_how_the_host_reaches_its_index() -> None:
    assert "index-url = https://index.test/simple" in pip_config({"index-url": "https://index.test/simple"}, {})


def test_a_pip_variable_wins_over_the_hosts_file() -> None:
    config = pip_config({"timeout": "15"}, {"PIP_TIMEOUT": "180"})

    assert "timeout = 180" in config
    assert "15" not in config


def test_pip_loses_the_hosts_folders() -> None:
    config = pip_config({"extra-index-url": "file:///a/simple https://b.test/simple file:///c"}, {})

    assert "extra-index-url = https://b.test/simple\n" in config
    assert "file:" not in config


def test_pip_has_no_setting_that_the_host_lacks() -> None:
    assert "index-url" not in pip_config({}, {})


def test_the_same_root_file_system_has_the_same_digest() -> None:
    assert _files({"a": b"1", "b": b"2"}).digest() == _files({"b": b"2", "a": b"1"}).digest()


def test_a_changed_file_changes_the_digest() -> None:
    assert _files({"etc/pip.conf": b"1"}).digest() != _files({"etc/pip.conf": b"2"}).digest()


def test_a_packed_tar_holds_programs_links_and_folders(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\n")
    archive = tmp_path / "packed.tar"

    debian.pack({"bin/program": program}, {"bin/sh": "program"}, ("bin", "tmp"), archive)

    with tarfile.open(archive) as tar:
        assert ["bin", "tmp", "bin/program", "bin/sh"] == tar.getnames()
        assert "program" == tar.getmember("bin/sh").linkname
        assert 0o755 == tar.getmember("bin/program").mode


def _files(files: dict[str, bytes]) -> RootFiles:
    return RootFiles("r", "trixie", ("docker.io",), files)
