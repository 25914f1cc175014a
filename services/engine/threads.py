"""Blocking calls off the event loop: a few threads of our own, so that a hanging engine holds up no one's exit.

(The threads of concurrent.futures are waited for when Python ends; a call to a stopped engine would take its time-out.)
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from funswarm.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], Any]
    future: "asyncio.Future[Any]"

    def run(self) -> None:
        result, error = None, None
        try:
            result = self.function()
        except BaseException as raised:  # noqa: BLE001 (it is the caller's, on the event loop)
            error = raised
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            self.future.get_loop().call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


def _closed() -> Unavailable:
    return Unavailable("the connection to the engine was closed")


class Threads:
    """At most `count` calls at once; further ones wait their turn. Used from one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._closed = False

    async def run(self, call: Callable[[], T]) -> T:
        """The call's result. A cancelled wait does not stop the call: what it does to the engine is done.

        Raises:
            Unavailable: after `close`.
        """
        if self._closed:
            raise _closed()
        future = asyncio.get_running_loop().create_future()
        self._under_way += 1
        future.add_done_callback(self._finished)
        if len(self._threads) < min(self._under_way, self._count):
            self._threads.append(threading.Thread(target=self._work, name="engine", daemon=True))
            self._threads[-1].start()
        self._calls.put(_Call(call, future))
        return cast("T", await future)

    def close(self) -> None:
        """No further calls; those that wait are not made, the running ones end by their own time-outs."""
        self._closed = True
        with suppress(queue.Empty):
            while call := self._calls.get_nowait():
                if not call.future.done():
                    call.future.set_exception(_closed())
        for _ in self._threads:
            self._calls.put(None)

    def _finished(self, _: "asyncio.Future[Any]") -> None:
        self._under_way -= 1

    def _work(self) -> None:
        while call := self._calls.get():
            if not call.future.done():
                call.run()
