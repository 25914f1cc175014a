"""The life of one copy of the poller: NATS, the engine, standby, active, and standby again.

It answers for its health and metrics as soon as NATS is there, before the engine is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, TypeVar

import structlog

from funswarm.errors import FunswarmError, Unavailable
from services.bus.connection import Bus
from services.bus.handover import better_off
from services.bus.journal import Superseded
from services.bus.lease import Lease
from services.bus.part import answer_for
from services.bus.settings import NatsSettings
from services.engine.client import Engine, EngineInfo
from services.engine.settings import EngineSettings
from services.poller.active import Copy, run_active
from services.poller.health import Standing
from services.poller.metrics import Metrics
from services.poller.pacing import Backoff
from services.poller.settings import PollerSettings
from services.runtime import until_one_ends

T = TypeVar("T")

PART: Final = "poller"
YIELD_S: Final = 1.0  # who was superseded leaves the lease to others for so long
LOOK_S: Final = 5.0

_log = structlog.get_logger()


async def run_poller(nats: NatsSettings, engine: EngineSettings, settings: PollerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set.

    Raises:
        Unavailable: NATS is not there in time, or closed the connection for good.
        PermanentError: NATS refuses us.
    """
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(nats, f"funswarm-{PART} {settings.instance}")
        stack.push_async_callback(bus.close)
        standing = Standing(settings.instance, settings.version, settings.data_age_max_s, simulator=settings.simulator)
        standing.troubles.set("engine", "the engine has not answered yet")
        copy = Copy(bus, settings, standing, Metrics())

        def metrics() -> bytes:
            return copy.metrics.text(standing.troubles.places)

        await answer_for(bus, stack, settings.instance, standing.health, metrics)
        await until_one_ends(_Life(copy, engine).run(), bus.watch(), stop.wait())


class _Life:
    """What comes after the connection to NATS."""

    def __init__(self, copy: Copy, engine_settings: EngineSettings) -> None:
        self._copy = copy
        self._troubles = copy.standing.troubles
        self._engine_settings = engine_settings

    async def run(self) -> None:
        """Declare the streams, find the engine, then take part in the lease for ever."""
        await self._persist("streams", self._copy.bus.declare)
        engine = await self._persist("engine", lambda: Engine.connect(self._engine_settings))
        lease = Lease(self._copy.bus, PART, self._copy.settings.instance, self._lease_told)
        looking = asyncio.create_task(self._look_after(engine))
        try:
            while True:
                await self._persist("active", lambda: self._hold(lease, engine))
                await asyncio.sleep(YIELD_S)
        finally:
            looking.cancel()
            await engine.close()

    async def _persist(self, place: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds; why it does not is in the health meanwhile."""
        backoff = Backoff()
        while True:
            try:
                result = await attempt()
            except FunswarmError as error:
                _log.warning("trying again", what=place, reason=str(error))
                self._troubles.set(place, str(error))
                await asyncio.sleep(backoff.wait_s())
            else:
                self._troubles.clear(place)
                return result

    async def _info(self, engine: Engine) -> EngineInfo:
        """
        Raises:
            Unavailable: the engine does not answer, or is in no Swarm.
        """
        info = await engine.info()
        if not info.cluster_id and self._copy.settings.cluster is None:
            raise Unavailable(
                f"the engine at {info.address} is no manager of a Swarm (it says {info.swarm_state or 'nothing'}): "
                "run `docker swarm init`, or watch a manager"
            )
        return info

    async def _look_after(self, engine: Engine) -> None:
        """While on standby, know whether the engine is there: the active copy finds out as it works."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._copy.standing.active:
                continue
            try:
                await self._info(engine)
            except FunswarmError as error:
                if not self._copy.standing.active:
                    self._troubles.set("engine", str(error))
            else:
                self._troubles.clear("engine")

    def _lease_told(self, why: str | None) -> None:
        if why is None:
            self._troubles.clear("lease")
        else:
            self._troubles.set("lease", why)

    async def _other_swarm(self, engine: Engine, info: EngineInfo) -> str:
        """Wait until the engine is in another Swarm than at the take-over: its id."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(FunswarmError):
                now = await engine.info()
                if now.cluster_id not in ("", info.cluster_id):
                    return now.cluster_id

    async def _hold(self, lease: Lease, engine: Engine) -> None:
        """Be standby, then active, until the lease is lost, somebody else wrote, or another copy is better off."""
        info = await self._info(engine)
        self._copy.standing.engine = f"{info.version} at {info.address}"
        self._troubles.clear("active")
        async with lease.hold():
            self._copy.metrics.takeovers.inc()
            self._set_active(active=True)
            session = asyncio.create_task(run_active(self._copy, engine, info))
            ends: dict[asyncio.Task[Any], str] = {
                asyncio.create_task(lease.lost.wait()): "the lease is lost",
                asyncio.create_task(better_off(self._copy.bus, PART, self._away_s)): "another copy has an engine",
                asyncio.create_task(self._other_swarm(engine, info)): "the engine is in another Swarm",
            }
            try:
                await asyncio.wait({session, *ends}, return_when=asyncio.FIRST_COMPLETED)
                reason = next((words for end, words in ends.items() if end.done()), "")
            finally:
                self._set_active(active=False)
                for task in (session, *ends):
                    task.cancel()
                await asyncio.wait({session, *ends})
            _log.warning("standby again", reason=reason or _reason(session))

    def _away_s(self) -> float:
        return self._troubles.lasts_s("engine")

    def _set_active(self, *, active: bool) -> None:
        self._copy.standing.active = active
        self._copy.metrics.active.set(active)
        if not active:
            for place in ("engine", "stream", "events", "state"):
                self._troubles.clear(place)
            self._troubles.forget_notes()


def _reason(session: asyncio.Task[None]) -> str:
    """Why the session ended by itself; raises what is no other writer."""
    if session.cancelled():
        return "it was cancelled"
    error = session.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Superseded):
        return str(error)
    if error is not None:
        raise error
    return "the session ended"
