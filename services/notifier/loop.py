"""The life of one copy of the notifier: NATS, standby, active, and standby again.

There are two ways to notify, webhooks and Docker Flow's. Each has a lease, so that copies with other settings may share
the work, and neither ends with the other. It declares no streams: until a poller or scheduler has, it waits, and its
health says so.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import structlog

from funswarm.errors import FunswarmError
from services.bus.connection import Bus
from services.bus.lease import Lease
from services.bus.part import answer_for
from services.bus.settings import NatsSettings
from services.notifier.docker_flow.listener import Listener
from services.notifier.health import Standing
from services.notifier.metrics import Metrics
from services.notifier.settings import NotifierSettings
from services.notifier.webhooks import Webhooks
from services.runtime import until_one_ends

WEBHOOKS: Final = "notifier"  # the leases
DOCKER_FLOW: Final = "docker-flow"  # and the group of those who tell the same
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
    webhooks: Webhooks | None
    docker_flow: Listener | None


Notify = Callable[[Lease], Awaitable[None]]


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
        await answer_for(bus, stack, settings.instance, copy.standing.health, copy.metrics.text)
        await until_one_ends(bus.watch(), stop.wait(), *_works(copy))


def _copy(bus: Bus, settings: NotifierSettings) -> Copy:
    standing, metrics, wanted = Standing(settings), Metrics(), settings.docker_flow
    docker_flow = None if wanted is None else Listener(bus, wanted, standing, metrics.registry)
    webhooks = Webhooks(bus, settings, standing, metrics.registry) if settings.webhooks else None
    return Copy(bus, settings, standing, metrics, webhooks, docker_flow)


def _works(copy: Copy) -> Iterator[Coroutine[Any, Any, None]]:
    webhooks, docker_flow = copy.webhooks, copy.docker_flow
    if webhooks is not None:
        yield _live(copy, WEBHOOKS, lambda lease: webhooks.run_active(lambda: lease.held))
    if docker_flow is not None:
        yield docker_flow.run()
        yield _live(copy, f"{DOCKER_FLOW}.{docker_flow.group}", lambda _: docker_flow.run_active())


async def _live(copy: Copy, way: str, notify: Notify) -> None:
    """Take part in a lease for ever; why it does not go on is in the health meanwhile."""
    lease = Lease(copy.bus, way, copy.settings.instance, lambda why: copy.standing.tell(f"{way} lease", why))
    while True:
        try:
            await _hold(copy, way, lease, notify)
        except* FunswarmError as errors:
            reason = "; ".join(str(error) for error in errors.exceptions)
            log.warning("trying again", way=way, reason=reason)
            copy.standing.tell(way, reason)
        await asyncio.sleep(RETRY_S * random.uniform(0.7, 1.3))  # noqa: S311


async def _hold(copy: Copy, way: str, lease: Lease, notify: Notify) -> None:
    """Be standby, then active, until the lease is lost."""
    async with lease.hold():
        copy.standing.tell(way, None)
        _set_active(copy, way, active=True)
        log.info("notifying", way=way, instance=copy.settings.instance)
        active, lost = asyncio.ensure_future(notify(lease)), asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({active, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (active, lost):
                task.cancel()
            await asyncio.wait({active, lost})
            _set_active(copy, way, active=False)
        if not active.cancelled():
            active.result()


def _set_active(copy: Copy, way: str, *, active: bool) -> None:
    ways = copy.standing.active_ways
    ways.add(way) if active else ways.discard(way)
    copy.metrics.active.set(bool(ways))
