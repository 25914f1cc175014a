"""What must hold before `make run` starts anything."""

import os
import socket

import pytest

from services.supervisor.ground import CannotRun, must_be_free, take_folder
from services.supervisor.nats_server import hidden


def test_the_folder_is_made(tmp_path):
    os.close(take_folder(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_has_one_owner_and_its_process_is_named(tmp_path):
    descriptor = take_folder(tmp_path)
    with pytest.raises(CannotRun, match=f"process {os.getpid()}"):
        take_folder(tmp_path)
    os.close(descriptor)


def test_a_folder_is_free_again_when_its_owner_ends(tmp_path):
    os.close(take_folder(tmp_path))
    os.close(take_folder(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match="FUNSWARM_DATA_DIR"):
        take_folder(tmp_path / "file" / "data")


def test_a_port_that_is_taken_comes_with_the_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=f"port {port} on 127.0.0.1 is not free .*: take another"):
            must_be_free("127.0.0.1", port, "take another")


def test_a_free_port_is_free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    must_be_free("127.0.0.1", port, "")


def test_a_password_in_the_address_of_nats_is_not_shown():
    assert hidden("nats://a:secret@b:4222,nats://c") == "nats://b:4222,nats://c"
