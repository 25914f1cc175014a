"""The life of one copy of the scheduler: NATS, the engine, standby, active, and standby again.

It answers for its health and metrics as soon as NATS is there, before the engine is.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from funswarm.errors import FunswarmError, Unavailable
from funswarm.messages import Result
from services.bus.client import sdk_client
from services.bus.connection import Bus
from services.bus.handover import better_off
from services.bus.lease import Lease
from services.bus.part import answer_for
from services.bus.settings import NatsSettings
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.runtime import until_one_ends
from services.scheduler.admission.gate import Admission
from services.scheduler.admission.loading import PolicyFile
from services.scheduler.firings import Firings
from services.scheduler.fold import Services
from services.scheduler.health import Standing
from services.scheduler.metrics import Metrics
from services.scheduler.policies.start import frame_of
from services.scheduler.ports import EngineCalls
from services.scheduler.requests import Requests
from services.scheduler.safe_write import SafeWriter
from services.scheduler.settings import SchedulerSettings
from services.scheduler.settling import Settling
from services.scheduler.store import NatsStore
from services.scheduler.targets import Targets
from services.scheduler.view import View
from services.scheduler.worker import Worker

T = TypeVar("T")

PART: Final = "scheduler"
MICRO_NAME: Final = "funswarm-scheduler"
IN_HAND_MAX: Final = 1000  # so that a few services whose commands wait do not keep others' from being handed over
ENGINE_CHECK_S: Final = 5.0
RETRY_S: Final = 1.0
FINISH_S: Final = 6.0  # less than runtime's patience
LOST_FINISH_S: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copy:
    """This copy of the scheduler: what outlives a session."""

    bus: Bus
    settings: SchedulerSettings
    standing: Standing
    metrics: Metrics
    policy: PolicyFile


async def run_scheduler(
    nats: NatsSettings, engine: EngineSettings, settings: SchedulerSettings, stop: asyncio.Event
) -> None:
    """Work until `stop` is set; then finish what is being written.

    Raises:
        Unavailable: NATS is not there in time, or closed the connection for good.
        PermanentError: NATS refuses us.
    """
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(nats, f"{MICRO_NAME} {settings.instance}")
        stack.push_async_callback(bus.close)
        standing = Standing(settings)
        policy = PolicyFile(settings.admission_file, standing.troubles)
        copy = Copy(bus, settings, standing, Metrics(), policy)
        await answer_for(bus, stack, settings.instance, standing.health, copy.metrics.text)
        await until_one_ends(_live(copy, engine), policy.follow(), bus.watch(), stop.wait())


async def _live(copy: Copy, engine_settings: EngineSettings) -> None:
    """Declare the streams, find the engine, then take part in the lease for ever."""
    await _persist(copy, "streams", copy.bus.declare)
    engine = await _persist(copy, "engine", lambda: Engine.connect(engine_settings))
    checking = asyncio.create_task(_check_engine(copy, engine))
    lease = Lease(copy.bus, PART, copy.settings.instance, copy.standing.lease_told)
    try:
        while True:
            await _persist(copy, "active", lambda: _hold(copy, lease, engine))
            await asyncio.sleep(RETRY_S)
    finally:
        checking.cancel()
        await engine.close()


async def _persist(copy: Copy, place: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it succeeds; why it does not is in the health meanwhile."""
    while True:
        try:
            result = await attempt()
        except FunswarmError as error:
            log.warning("trying again", what=place, reason=str(error))
            copy.standing.troubles[place] = str(error)
            await asyncio.sleep(RETRY_S * random.uniform(0.7, 1.3))  # noqa: S311
        else:
            copy.standing.troubles.pop(place, None)
            return result


async def _check_engine(copy: Copy, engine: Engine) -> None:
    """Keep the health's word about the engine fresh."""
    while True:
        try:
            info = await engine.info()
            if not info.control_available:
                raise Unavailable(
                    f"the engine at {info.address} is no manager of a Swarm (it says {info.swarm_state or 'nothing'}): "
                    "run `docker swarm init`, or give a manager's address"
                )
        except FunswarmError as error:
            copy.standing.engine_away(str(error))
        else:
            copy.standing.engine_there(f"{info.version} at {info.address}")
        await asyncio.sleep(ENGINE_CHECK_S)


async def _hold(copy: Copy, lease: Lease, engine: EngineCalls) -> None:
    """Be standby, then active, until the lease is lost or another copy is better off."""
    async with lease.hold():
        _set_active(copy, active=True)
        active = asyncio.create_task(run_active(copy, lease, engine))
        leaving = asyncio.create_task(better_off(copy.bus, PART, copy.standing.engine_away_s))
        try:
            await asyncio.wait({active, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(leaving)
            await _end(active)
            _set_active(copy, active=False)
        if not active.cancelled():
            active.result()


async def run_active(copy: Copy, lease: Lease, engine: EngineCalls) -> None:
    """Work off commands until the lease is lost, or until cancelled; then finish what is being written."""
    bus, store, services = copy.bus, NatsStore(copy.bus, lambda: lease.held), Services()
    admission = Admission(copy.policy, copy.metrics.denied)
    writer = SafeWriter(engine, store, lambda: lease.held, services, admission)
    client = sdk_client(bus.settings, f"{MICRO_NAME} view {copy.settings.instance}")
    settling = Settling(store, services, client.tasks, lambda: lease.held, copy.settings.patience)
    lane_of, deliveries_max = Targets(engine, services).lane_of, copy.settings.deliveries_max
    troubles = copy.standing.troubles
    frame = frame_of(
        bus, store, client, copy.settings, metrics=copy.metrics, is_active=lambda: lease.held, troubles=troubles
    )
    worker = Worker(
        bus.subjects, store, writer, copy.metrics, lane_of, settling=settling.watch, done=frame.done,
        settle_s=copy.settings.patience.settle_s, deliveries_max=deliveries_max,
    )  # fmt: skip

    def on_result(result: Result) -> None:
        worker.told(result)
        frame.told(result)

    store.on_result = on_result

    def on_change(touched: set[str]) -> None:
        worker.look_again(touched)
        settling.look_again(touched)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        await store.open()
        view = View(client, services, copy.metrics, troubles, frame.take)
        for follow in (view.run(on_change), settling.run(), frame.run()):
            stack.push_async_callback(_end, asyncio.create_task(follow))
        deliveries = await bus.consume_commands(IN_HAND_MAX)
        stack.push_async_callback(deliveries.close)
        schedules = await bus.consume_schedules()
        stack.push_async_callback(schedules.close)
        firing = asyncio.create_task(Firings(bus).run(schedules))
        stack.push_async_callback(_end, firing)
        requests = Requests(bus, store)
        stack.push_async_callback((await bus.serve(MICRO_NAME, requests.endpoints(), copy.settings.version)).stop)
        stack.callback(store.close)
        work = asyncio.create_task(worker.run(deliveries))
        lost = asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({work, lost, firing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            worker.stop()
            await asyncio.wait({work}, timeout=LOST_FINISH_S if lease.lost.is_set() else FINISH_S)
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        if firing.done():
            firing.result()


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _set_active(copy: Copy, *, active: bool) -> None:
    copy.standing.active = active
    copy.metrics.active.set(active)
    copy.metrics.in_hand.set(0)
    copy.metrics.held.set(0)
