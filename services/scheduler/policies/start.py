"""The frame with all that it needs, out of what the scheduler has while it is active: wiring only."""

from collections.abc import Callable

from funswarm.client import Client
from funswarm.commands import Command
from funswarm.tracing import traceparent_or_new
from services.bus.connection import Bus
from services.bus.policies import PolicyBucket
from services.scheduler.metrics import Metrics
from services.scheduler.policies.asked import asked_of
from services.scheduler.policies.frame import Frame
from services.scheduler.policies.registry import policies
from services.scheduler.policies.telling import Telling
from services.scheduler.policies.world import Known
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import NatsStore


def frame_of(
    bus: Bus,
    store: NatsStore,
    client: Client,
    settings: SchedulerSettings,
    *,
    metrics: Metrics,
    is_active: Callable[[], bool],
    troubles: dict[str, str],
) -> Frame:
    """A frame that is not at work yet. `client`: reads the feed."""
    world = Known(lambda service, draining: asked_of(service, all_of_them, draining=draining))
    all_of_them = policies(bus, settings, world.may_follow)
    sources = ["policies", *(policy.name for policy in all_of_them)]

    async def submit(command: Command) -> None:
        await store.submit(command, traceparent_or_new(None))

    return Frame(
        PolicyBucket(bus),
        all_of_them,
        Telling(bus, world, sources, metrics),
        world,
        metrics,
        submit=submit,
        find=store.find,
        tasks=lambda with_tasks: client.changes(kinds=["task", "node"] if with_tasks else ["node"]),
        is_active=is_active,
        troubles=troubles,
    )
