"""Full lists: what is true. Asks the engine for all objects of all kinds, at a pace that keeps to a share of time.

A list also proves removals, shows what the event stream kept silent about, and sets the age of the data.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

import structlog

from funswarm.errors import FunswarmError
from funswarm.state import AnyState
from services.poller.engine_link import EngineLink
from services.poller.known import Key
from services.poller.metrics import Metrics
from services.poller.pacing import Backoff, Cost, ListPace
from services.poller.silence import Silence
from services.poller.view import Reading, View
from services.poller.waking import Waking

STREAM_S: Final = 2.0
BACK_S: Final = 30.0  # older versions in all lists for so long are the truth; a manager without its peers lags for less
CHUNK: Final = 200  # objects taken in between two turns of the event loop
TOLD: Final = frozenset({"service", "node", "network", "secret", "config"})  # kinds that the event stream tells of

_log = structlog.get_logger()


class Lists:
    """The full lists of one session as the active poller. `first_done` is set once all kinds were listed."""

    def __init__(
        self, *, link: EngineLink, view: View, silence: Silence, pace: ListPace, metrics: Metrics, kinds: Iterable[str]
    ) -> None:
        self._link = link
        self._view = view
        self._silence = silence
        self._pace = pace
        self._metrics = metrics
        self._kinds: Final = tuple(kinds)
        self._wanted: Final = Waking()
        self._begun_at: float | None = None  # of the last complete round
        self._back_since: Final[dict[str, float]] = {}  # kinds whose lists have older versions than are known
        self.first_done: Final = asyncio.Event()
        self.costs: Final = {kind: Cost(0.02) for kind in self._kinds}

    def request(self, reason: str) -> None:
        """A full list is wanted out of turn."""
        self._metrics.resyncs.labels(reason).inc()
        self._wanted.call()

    @property
    def age_s(self) -> float | None:
        """Since when all is known to be so: seconds since the last complete round was begun; None: never yet."""
        return None if self._begun_at is None else time.monotonic() - self._begun_at

    @property
    def interval_s(self) -> float:
        return self._pace.interval_s

    async def run(self) -> None:
        """List for ever: when it is due, when it is requested, and again and again while the engine does not answer."""
        backoff = Backoff()
        await self._wanted.wait(STREAM_S)  # the event stream's opening requests a list: one is enough
        while True:
            try:
                await self._round()
            except FunswarmError as error:
                self._link.failed(error)
                await asyncio.sleep(backoff.wait_s())
                continue
            backoff.reset()
            self.first_done.set()
            await asyncio.sleep(self._pace.gap_s)
            if not await self._wanted.wait(self._pace.interval_s):
                self._metrics.resyncs.labels("interval").inc()

    async def _round(self) -> None:
        begun_at = time.monotonic()
        for kind in self._kinds:
            await self.only(kind)
        self._pace.note(time.monotonic() - begun_at)
        if self._begun_at is not None:
            self._silence.forget(self._begun_at)
        self._begun_at = begun_at

    async def only(self, kind: str) -> None:
        """List one kind and take the answer in.

        Raises:
            Unavailable, Failed: the engine does not answer; the view is as before.
        """
        begun_at = time.monotonic()
        with self._view.reading() as reading:
            states = await self._link.engine.list(kind, dict(self._view.of(kind)))
            self._link.answered()
            await self._take_in(kind, states, reading)
        took_s = time.monotonic() - begun_at
        self._metrics.misunderstood.labels(kind).set(self._link.listed(kind))
        self.costs[kind].note(took_s)
        self._metrics.list_s.labels(kind).observe(took_s)

    async def _take_in(self, kind: str, states: list[AnyState], reading: Reading) -> None:
        seen: set[str] = set()
        changed: list[Key] = []
        back: list[AnyState] = []
        for number, state in enumerate(states):
            seen.add(state.id)
            old = self._view.of(kind).get(state.id)
            if self._view.is_back(reading, state):
                back.append(state)
            elif self._view.observe(reading, state) and (old is None or old.version != state.version):
                changed.append((kind, state.id))
            if number % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        gone = self._view.missing(reading, list(self._view.of(kind)), kind, seen)
        changed.extend(key for key in gone if self._view.remove(key))
        self._take_back(kind, back)
        if kind in TOLD and self._begun_at is not None and self._link.open_since < self._begun_at:
            for key in changed:
                self._silence.listed(key, self._begun_at, time.monotonic())

    def _take_back(self, kind: str, back: list[AnyState]) -> None:
        """Older versions than known, in a list of now: once lists have had some for long enough they are taken in."""
        if not back:
            self._back_since.pop(kind, None)
            return
        now = time.monotonic()
        if now - self._back_since.setdefault(kind, now) < BACK_S:
            self.request("versions went back")
            return
        _log.warning("the Swarm is an older one, restored from a backup: following it", kind=kind, objects=len(back))
        for state in back:
            self._view.take_back(state)
