"""Blocking calls off the event loop: a few threads of our own, named, ended with the engine they belong to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `count` calls at once; further ones wait their turn."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="engine")

    async def run(self, call: Callable[[], T]) -> T:
        """The call's result. A cancelled wait does not stop the call: what it does to the engine is done."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """No further calls; the running ones end by their own time-outs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
