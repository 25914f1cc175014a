"""The engine's event stream: opens it, again and again, and passes its hints on; closes it when it went silent.

Each newly opened stream is followed by a full list: what happened before it is not told.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from funswarm.errors import FunswarmError
from services.engine.events import EventStream, Hint
from services.poller.engine_link import EngineLink
from services.poller.known import Key
from services.poller.lists import Lists
from services.poller.metrics import Metrics
from services.poller.pacing import Backoff
from services.poller.silence import Silence

JUDGE_EVERY_S: Final = 0.5
SAID_S: Final = 1.0  # a silence that is being healed stays visible for so long
STABLE_S: Final = 10.0

_log = structlog.get_logger()


class Watch:
    """The event stream of one session; `on_hint` is told which object each hint names."""

    def __init__(
        self,
        *,
        link: EngineLink,
        silence: Silence,
        metrics: Metrics,
        lists: Lists,
        on_hint: Callable[[Key], None],
        kinds: tuple[str, ...],
    ) -> None:
        self._link = link
        self._told = on_hint
        self._lists = lists
        self._silence = silence
        self._metrics = metrics
        self._kinds = kinds
        self._stream: EventStream | None = None

    async def run(self) -> None:
        """Keep a stream open, for ever."""
        backoff = Backoff()
        while True:
            began_at = time.monotonic()
            reason = await self._follow()
            self._link.closed(reason)
            if time.monotonic() - began_at > STABLE_S:
                backoff.reset()
            await asyncio.sleep(backoff.wait_s())

    async def run_containers(self) -> None:
        """Follow the containers on the engine's own node, for ever: its tasks' news are there before any poll.

        An extra, not relied upon: tasks on other nodes have none, and where the stream ends polls and lists go on.
        """
        backoff = Backoff(first_s=1.0, max_s=30.0)
        while True:
            stream = self._link.engine.container_events()
            try:
                await stream.opened()
                backoff.reset()
                async for hint in stream:
                    self._metrics.hints.labels(hint.kind).inc()
                    self._told((hint.kind, hint.object_id))
            except FunswarmError as error:
                _log.debug("the stream of container events ended", reason=str(error))
            finally:
                stream.close()
            await asyncio.sleep(backoff.wait_s())

    async def judge(self) -> None:
        """Look for silence, for ever."""
        while True:
            await asyncio.sleep(JUDGE_EVERY_S)
            now = time.monotonic()
            if self._link.stream == "silent" and now - self._link.open_since > SAID_S:
                self._link.proven()
            culprits = self._silence.culprits(now)
            if culprits and self._stream is not None:
                self._metrics.silences.inc()
                self._metrics.drops.inc(len(culprits))
                self._silence.opened()
                kind, object_id = culprits[0]
                self._link.silent(f"{kind} {object_id} changed and the engine's event stream did not tell")
                self._stream.close()

    async def _follow(self) -> str:
        """Open a stream and follow it to its end; why it ended."""
        stream = self._link.engine.events(self._kinds)
        try:
            await stream.opened()
            self._stream = stream
            self._silence.opened()
            self._link.opened()
            self._lists.request("event stream opened")
            async for hint in stream:
                self._on_hint(hint)
        except FunswarmError as error:
            return str(error)
        finally:
            self._stream = None
            stream.close()
        return "it was closed: it told nothing of what changed"

    def _on_hint(self, hint: Hint) -> None:
        key = (hint.kind, hint.object_id)
        self._metrics.hints.labels(hint.kind).inc()
        self._silence.hinted(key, time.monotonic())
        self._told(key)
