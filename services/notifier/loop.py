"""The life of one copy of the notifier: NATS, standby, active, and standby again.

It declares no streams: until a poller or scheduler has, it waits, and its health says so.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import structlog

from funswarm.errors import FunswarmError
from funswarm.metrics import labelled
from services.bus.connection import Bus
from services.bus.lease import Lease
from services.bus.settings import NatsSettings
from services.notifier.docker_flow.listener import Listener
from services.notifier.health import Standing
from services.notifier.metrics import Metrics
from services.notifier.settings import NotifierSettings
from services.notifier.webhooks import Webhooks

PART: Final = "notifier"
MICRO_NAME: Final = "funswarm-notifier"
RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copy:
    """This copy of the notifier: what outlives a session."""

    bus: Bus
    settings: NotifierSettings
    standing: Standing
    metrics: Metrics
    webhooks: Webhooks
    docker_flow: Listener | None


async def run_notifier(nats: NatsSettings, settings: NotifierSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set; then finish what is being sent.

    Raises:
        Unavailable: NATS is not there in time, or closed the connection for good.
        PermanentError: NATS refuses us.
    """
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(nats, f"{MICRO_NAME} {settings.instance}")
        stack.push_async_callback(bus.close)
        copy = _copy(bus, settings)

        async def health(_: bytes) -> bytes:
            return copy.standing.health().model_dump_json().encode()

        async def metrics(_: bytes) -> bytes:
            return labelled(copy.metrics.text().decode(), settings.instance).encode()

        for subject, answer in ((bus.subjects.part_health, health), (bus.subjects.part_metrics, metrics)):
            stack.push_async_callback((await bus.answer_all(subject, answer)).stop)
        works = [_live(copy), bus.watch(), stop.wait(), *([copy.docker_flow.run()] if copy.docker_flow else [])]
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(work) for work in works}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            await task


def _copy(bus: Bus, settings: NotifierSettings) -> Copy:
    standing, metrics, wanted = Standing(settings), Metrics(), settings.docker_flow
    docker_flow = None if wanted is None else Listener(bus, wanted, standing, metrics.registry)
    webhooks = Webhooks(bus, settings, standing, metrics.registry)
    return Copy(bus, settings, standing, metrics, webhooks, docker_flow)


async def _live(copy: Copy) -> None:
    """Take part in the lease for ever; why it does not go on is in the health meanwhile."""
    lease = Lease(copy.bus, PART, copy.settings.instance, lambda why: copy.standing.tell("lease", why))
    while True:
        try:
            await _hold(copy, lease)
        except* FunswarmError as errors:
            reason = "; ".join(str(error) for error in errors.exceptions)
            log.warning("trying again", reason=reason)
            copy.standing.tell("active", reason)
        await asyncio.sleep(RETRY_S * random.uniform(0.7, 1.3))  # noqa: S311


async def _hold(copy: Copy, lease: Lease) -> None:
    """Be standby, then active, until the lease is lost."""
    async with lease.hold():
        copy.standing.tell("active", None)
        _set_active(copy, active=True)
        active, lost = asyncio.create_task(run_active(copy, lease)), asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({active, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (active, lost):
                task.cancel()
            await asyncio.wait({active, lost})
            _set_active(copy, active=False)
        if not active.cancelled():
            active.result()


async def run_active(copy: Copy, lease: Lease) -> None:
    """Notify until cancelled: the lease is lost, or the process is to stop. Each way to notify is a task here."""
    log.info("notifying", instance=copy.settings.instance)
    async with asyncio.TaskGroup() as ways:
        ways.create_task(copy.webhooks.run_active(lambda: lease.held))
        if copy.docker_flow is not None:
            ways.create_task(copy.docker_flow.run_active())


def _set_active(copy: Copy, *, active: bool) -> None:
    copy.standing.active = active
    copy.metrics.active.set(active)
