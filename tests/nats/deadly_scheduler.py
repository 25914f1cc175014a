"""A scheduler that two kinds of commands kill each time, as a fault in a library or the kernel's out of memory would.

Run as `python -m tests.nats.deadly_scheduler`. One kind kills when it is read, the other when it is tried.
"""

import os
import signal

from services.runtime import run
from services.scheduler import reading, worker
from services.scheduler.__main__ import main
from services.scheduler.safe_write import SafeWriter

KILLS_READER, KILLS_WRITER = "kills-reader", "kills-writer"

_read, _attempt = reading.read, SafeWriter.attempt


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _reading(subjects, subject, headers, body):
    if KILLS_READER in subject:
        _die()
    return _read(subjects, subject, headers, body)


async def _trying(self, command, *others, **named):
    if command.target == KILLS_WRITER:
        _die()
    return await _attempt(self, command, *others, **named)


if __name__ == "__main__":
    setattr(worker, "read", _reading)  # noqa: B010  it is not the worker's own
    setattr(SafeWriter, "attempt", _trying)  # noqa: B010  mypy takes no method for a variable
    run("scheduler", main)
