"""What must hold before anything starts: the data folder is ours alone, the ports are free. Files and sockets."""

import fcntl
import os
import socket
from pathlib import Path
from typing import Final

LOCK: Final = "lock"


class CannotRun(Exception):
    """`make run` cannot start; the text says why and the way out."""


def take_folder(folder: Path) -> int:
    """Make the folder and lock it; the lock is held by whoever has the file descriptor returned open.

    Raises:
        CannotRun: another Funswarm runs there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotRun(f"the data folder {folder} cannot be used: {error}; FUNSWARM_DATA_DIR names another") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 20, 0).decode().strip()
        os.close(descriptor)
        raise CannotRun(
            f"Funswarm runs already with the data folder {folder} (process {owner}): stop it first, "
            "or name another folder with FUNSWARM_DATA_DIR"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def must_be_free(host: str, port: int, way_out: str) -> None:
    """
    Raises:
        CannotRun: something listens on that port already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotRun(f"port {port} on {host} is not free ({error.strerror}): {way_out}") from error
