"""A copy of a part as all see it: what it answers when all copies of all parts are asked. I/O by the bus."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from funswarm.messages import PartHealth
from funswarm.metrics import labelled
from services.bus.connection import Bus


async def answer_for(
    bus: Bus, stack: AsyncExitStack, instance: str, health: Callable[[], PartHealth], metrics: Callable[[], bytes]
) -> None:
    """Answer for this copy's health and figures, for as long as `stack` stands. `instance` labels the figures."""

    async def tell_health(_: bytes) -> bytes:
        return health().model_dump_json().encode()

    async def tell_metrics(_: bytes) -> bytes:
        return labelled(metrics().decode(), instance).encode()

    for subject, answer in ((bus.subjects.part_health, tell_health), (bus.subjects.part_metrics, tell_metrics)):
        stack.push_async_callback((await bus.answer_all(subject, answer)).stop)
