"""Targeted reads: an object that the event stream named is read at once. Reads the engine, writes the view.

A hint that comes while its object is being read means another read; what is named meanwhile waits as one. When so many
are named that a list of their kind is cheaper, the list is taken instead.
"""

import asyncio
import time
from typing import Final

import structlog

from funswarm.errors import FunswarmError, PermanentError
from services.poller.engine_link import EngineLink
from services.poller.known import Key
from services.poller.lists import Lists
from services.poller.pacing import Cost, Due
from services.poller.view import View
from services.poller.waking import Waking

PARALLEL: Final = 4

_log = structlog.get_logger()


class Reader:
    """The targeted reads of one session. A read that fails is made good by a full list."""

    def __init__(self, link: EngineLink, view: View, lists: Lists) -> None:
        self._link = link
        self._view = view
        self._lists = lists
        self._wanted: Final = Due()
        self._woken: Final = Waking()
        self._free: Final = asyncio.Semaphore(PARALLEL)
        self._cost: Final = Cost(0.002)

    def want(self, key: Key) -> None:
        """Read this object soon."""
        self._wanted.add(key)
        self._woken.call()

    async def run(self) -> None:
        """Read what is wanted, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._something()
                await self._free.acquire()
                keys = self._wanted.take(self._bulk() if len(self._wanted) > self._bulk() else 1, time.monotonic())
                group.create_task(self._work_off(keys))

    async def _something(self) -> None:
        """Wait until there is something to read."""
        while (wait_s := self._wanted.wait_s(time.monotonic())) != 0:
            await self._woken.wait(wait_s)

    def _bulk(self) -> int:
        """From so many on, a list of the services is cheaper than reading each."""
        return max(8, int(self._lists.costs["service"].mean_s / self._cost.mean_s))

    async def _work_off(self, keys: list[Key]) -> None:
        try:
            if len(keys) <= 1:
                for key in keys:
                    await self._read(key)
                return
            for kind in dict.fromkeys(kind for kind, _ in keys):
                await self._lists.only(kind)
        except PermanentError as error:  # it answers, and makes no sense: what was known stays
            self._link.answered()
            _log.warning("an object cannot be read", reason=str(error))
            self._lists.request("read failed")
        except FunswarmError as error:
            self._link.failed(error)
            self._lists.request("read failed")
        finally:
            self._free.release()

    async def _read(self, key: Key) -> None:
        began_at = time.monotonic()
        with self._view.reading() as reading:
            state = await self._link.engine.read(*key)
            self._link.answered()
            if state is None:
                self._view.remove(key)
            else:
                self._view.observe(reading, state)
        self._cost.note(time.monotonic() - began_at)
