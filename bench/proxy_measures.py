"""What a proxy's users notice: when it leads to a new task, and requests that fail while tasks are replaced. I/O."""

import contextlib
import random
import time
from dataclasses import dataclass

from docker.errors import APIError

from bench.proxy_asking import ask, asking
from bench.proxy_ground import Feed, Ground
from testbed.shell import wait_for

THREADS = 4
PAUSE_S = 0.01
TURN_S = 40.0  # of a proxy that looks every 15 s, and twice at that
SPREAD_S = 5.0


@dataclass(frozen=True, slots=True)
class Rolled:
    """A rolling update under load. `example`: how one request failed."""

    requests: int
    failed: int
    example: str = ""


def replacements(ground: Ground, feed: Feed, rounds: int) -> list[float]:
    """Seconds from when a new task runs until Traefik leads to it, of a service with one task that is killed."""
    ground.serve(1, drain_s=0)
    try:
        with ground.traefik(feed) as url:
            wait_for(lambda: ask(url).status == 200, "Traefik to lead there", 60, 0.1)
            return [_replaced(ground, url) for _ in range(rounds)]
    finally:
        ground.remove_service()


def _replaced(ground: Ground, url: str) -> float:
    time.sleep(random.uniform(1, SPREAD_S))  # at any moment of the proxy's interval
    (old,) = ground.running()
    # Many, and none for long: what is sent to the old task's address hangs.
    with asking(url, 16, 0.03, timeout_s=0.5) as asked:
        with contextlib.suppress(APIError):
            ground.engine.kill(old)

        def new_task() -> tuple[str, float] | None:
            return next(((name, since) for name, since in ground.running().items() if name != old), None)

        name, since = wait_for(new_task, "the new task", 60, 0.02)
        first = wait_for(lambda: asked.first(name, since), f"Traefik to lead to {name}", TURN_S, 0.02)
    return first - since


def rolling_update(ground: Ground, feed: Feed, drain_s: float) -> Rolled:
    """A rolling update of four tasks, one after the other, while they are asked through Traefik."""
    ground.serve(4, drain_s)
    try:
        with ground.traefik(feed) as url:
            wait_for(lambda: len({ask(url).body for _ in range(8)} & set(ground.running())) == 4, "all four", 60, 0.2)
            with asking(url, THREADS, PAUSE_S) as asked:
                time.sleep(2)
                ground.roll()
                time.sleep(3)
    finally:
        ground.remove_service()
    failed = asked.failed()
    return Rolled(len(asked.answers), len(failed), f"{failed[0].status} {failed[0].body}"[:80] if failed else "")
