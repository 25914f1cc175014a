"""A copy of a part as all see it: what it answers when all copies of all parts are asked. I/O by the bus."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from funswarm.messages import PartHealth
from funswarm.metrics import labelled
from services.bus.connection import Bus


async def answer_for(
    bus: Bus, stack: AsyncExitStack, instance: str, health: Callable[[], PartHealth], metrics: Callable[[], bytes]
) -> None:
    """Answer for this copy's health and figures, for as long as `stack` stands. `instance` labels the figures.

    Raises:
        Unavailable: NATS went away meanwhile, and is not back within the time that a part waits for it.
        PermanentError: NATS refuses it.
    """

    async def tell_health(_: bytes) -> bytes:
        return health().model_dump_json().encode()

    async def tell_metrics(_: bytes) -> bytes:
        return labelled(metrics().decode(), instance).encode()

    for subject, answer in ((bus.subjects.part_health, tell_health), (bus.subjects.part_metrics, tell_metrics)):
        listen = partial(bus.answer_all, subject, answer)
        served = await bus.link.persist(listen, bus.settings.connect_timeout_s)
        stack.push_async_callback(served.stop)
