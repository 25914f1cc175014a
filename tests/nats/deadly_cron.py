"""A scheduler that is killed at a step of a cron job's run: what comes before has had its effect, what comes after not.

Run as `python -m tests.nats.deadly_cron`; DIES_AT names the step and its side, as `keep:after`, DIES_ON how often it
has come there by then.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from services.bus.policies import PolicyBucket
from services.runtime import run
from services.scheduler.__main__ import main
from services.scheduler.policies.telling import Telling
from services.scheduler.safe_write import SafeWriter
from services.scheduler.store import NatsStore

STEPS: tuple[tuple[str, type[Any], str], ...] = (
    ("keep", PolicyBucket, "keep"),  # the memory, and that the run is asked for
    ("submit", NatsStore, "submit"),  # the command of the run
    ("write", SafeWriter, "attempt"),  # its effect
    ("store", NatsStore, "store"),  # its result
    ("tell", Telling, "_publish"),  # the decision
)
POINTS = ("keep:after", "submit:before", "submit:after", "write:after", "store:after", "tell:before")


def _deadly(name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    left = {"before": 0, "after": 0}
    step, _, side = os.environ["DIES_AT"].partition(":")
    if step == name:
        left[side] = int(os.environ["DIES_ON"])

    def passes(here: str) -> None:
        left[here] -= 1
        if left[here] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def dying(*arguments: Any, **named: Any) -> Any:
        passes("before")
        answer = await method(*arguments, **named)
        passes("after")
        return answer

    return dying


if __name__ == "__main__":
    for name, owner, method in STEPS:
        setattr(owner, method, _deadly(name, getattr(owner, method)))
    run("scheduler", main)
