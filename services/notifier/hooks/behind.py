"""Which events a webhook missed, because they were no longer kept when their turn came. I/O by the bus.

NATS passes over them in silence, and how many of those that are gone a filter would have taken nobody can tell any
more. So it is kept up to which event a hook has missed none: what the stream lost beyond that are at most so many.
"""

import time
from collections.abc import Iterable
from typing import Final

from pydantic import RootModel, ValidationError

from funswarm.messages import MSG_ID_HEADER
from services.bus.connection import Bus
from services.bus.handouts import Standing
from services.bus.streams import bucket_stream, bucket_subject
from services.notifier.hooks.keeping import Kept

KEY: Final = "_caught-up"  # no name of a hook
SAVE_S: Final = 60.0


class CaughtUp(RootModel[dict[str, int]]):
    """By consumer, the sequence up to which it has missed nothing."""


class Behind:
    """`load` it, then ask `lost` now and then for each hook, and `save`. Raises what NATS's own calls do."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = bucket_stream(bus.subjects.hooks_bucket)
        self._subject = bucket_subject(bus.subjects.hooks_bucket, KEY)
        self._caught_up: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._save_at = 0.0

    async def load(self) -> None:
        body = await self._bus.last(self._stream, self._subject)
        try:
            self._caught_up = CaughtUp.model_validate_json(body).root if body else {}
        except ValidationError:
            self._caught_up = {}

    def lost(self, kept: Kept, standing: Standing, undelivered_before: int | None, first: int, last: int) -> int:
        """How many events it missed since the last time, at most; the stream keeps `first` to `last`."""
        reached = max(self._caught_up.get(kept.consumer, kept.after or 0), standing.delivered)
        known = kept.consumer in self._caught_up or kept.after is not None
        missed = max(0, first - 1 - reached) if known else 0
        if undelivered_before is not None:
            missed = min(missed, undelivered_before)
        self._caught_up[kept.consumer] = last if standing.undelivered == 0 else max(reached, first - 1)
        return missed

    async def save(self, hooks: Iterable[Kept]) -> None:
        """Where it is due, and something is another than before."""
        self._caught_up = {one.consumer: self._caught_up.get(one.consumer, 0) for one in hooks}
        if time.monotonic() < self._save_at or self._caught_up == self._saved:
            return
        self._save_at, saved = time.monotonic() + SAVE_S, dict(self._caught_up)
        body = CaughtUp(saved).model_dump_json().encode()
        await self._bus.publish(self._subject, body, {MSG_ID_HEADER: f"caught-up-{time.time_ns()}"}, self._stream)
        self._saved = saved
