"""A scheduler that dies between remembering what a policy (of tests/floors.py) decided and sending the command.

Run as `python -m tests.nats.deadly_policies`.
"""

import os
import signal

from services.runtime import run
from services.scheduler.__main__ import main
from services.scheduler.policies import start
from services.scheduler.store import NatsStore
from tests.floors import Floor


async def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    setattr(start, "policies", lambda *_: (Floor(),))  # noqa: B010  it is not the module's own
    setattr(NatsStore, "submit", _die)  # noqa: B010  mypy takes no method for a variable
    run("scheduler", main)
