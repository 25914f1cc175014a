"""Targeted reads: an object that the event stream named is read at once. Reads the engine, writes the view.

A hint that comes while its object is being read means another read; what is named meanwhile waits as one. In a burst
services are read many at a time; when so many are named that a list of all is cheaper, the list is taken instead.
"""

import asyncio
import time
from typing import Final

import structlog

from funswarm.errors import FunswarmError, PermanentError
from services.poller.engine_link import EngineLink
from services.poller.known import Key
from services.poller.lists import Lists
from services.poller.pacing import Cost, Due, Turns
from services.poller.view import View
from services.poller.waking import Waking

PARALLEL: Final = 4
MANY: Final = 50  # services in one read: their ids are in its URL

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
        self._turns: Final = Turns()  # each read costs the engine and us more than an object
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
                await asyncio.sleep(self._turns.wait_s(time.monotonic()))
                await self._free.acquire()
                bulk = self._bulk()
                is_bulk = len(self._wanted) > bulk
                keys = self._wanted.take(bulk if is_bulk else MANY, time.monotonic())
                group.create_task(self._work_off(keys, is_bulk=is_bulk))

    async def _something(self) -> None:
        """Wait until there is something to read."""
        while (wait_s := self._wanted.wait_s(time.monotonic())) != 0:
            await self._woken.wait(wait_s)

    def _bulk(self) -> int:
        """From so many on, a list of the services is cheaper than reading each."""
        return max(MANY, int(self._lists.costs["service"].mean_s / self._cost.mean_s))

    async def _work_off(self, keys: list[Key], *, is_bulk: bool) -> None:
        try:
            if is_bulk:
                for kind in dict.fromkeys(kind for kind, _ in keys):
                    await self._lists.only(kind)
                return
            services = [object_id for kind, object_id in keys if kind == "service"]
            if services:
                await self._read_services(services)
            for key in keys:
                if key[0] != "service":
                    await self._read(key)
        except PermanentError as error:  # it answers, and makes no sense: what was known stays
            self._link.answered()
            _log.warning("an object cannot be read", reason=str(error))
            self._lists.request("read failed")
        except FunswarmError as error:
            self._link.failed(error)
            self._lists.request("read failed")
        finally:
            self._free.release()

    async def _read_services(self, ids: list[str]) -> None:
        """By a list, also where it is one: of one that is gone the engine finds that out at half the cost."""
        began_at = time.monotonic()
        with self._view.reading() as reading:
            known = {object_id: state for object_id in ids if (state := self._view.of("service").get(object_id))}
            states = await self._link.engine.some("service", ids, known)
            self._link.answered()
            for state in states:
                self._view.observe(reading, state)
            for key in self._view.missing(reading, ids, "service", {state.id for state in states}):
                self._view.remove(key)
        self._cost.note((time.monotonic() - began_at) / len(ids))

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
