"""What an autoscaled service remembers, and how that damps it: stabilisation and rates, as Kubernetes' HPA. Pure."""

import math
from datetime import datetime, timedelta
from typing import Final

from funswarm.state import Value
from services.scheduler.policies.autoscale.settings import Settings

KEPT_MAX: Final = 300  # recommendations: five minutes of one that changes each second


class Stamped(Value):
    """A number and its time: replicas that were recommended, or by how many they were changed."""

    at: datetime
    count: int


class Memory(Value):
    """`recommended`: each with the time until which it stood; the last one stands, from its time on.

    `failures`: how often in a row no trigger could be read. `active_at`: when one was over the activation last; None
    where it is not scaled to zero.

    `changed`: whoever did it, once it is seen. `rounded_at`: when it was decided last. `seen`: the replicas at the last
    look, `replicas`: at the last one at which a command had written them. `asked`: what the steps of hooks have led to,
    of which the last came at `stepped_at`.
    """

    recommended: tuple[Stamped, ...] = ()
    changed: tuple[Stamped, ...] = ()
    failures: int = 0
    active_at: datetime | None = None
    rounded_at: datetime | None = None
    seen: int | None = None
    replicas: int | None = None
    asked: int | None = None
    stepped_at: datetime | None = None

    def recommends(self, count: int, settings: Settings, now: datetime) -> "Memory":
        """With this recommendation, and without those that no window reaches any more; the same while it is the last.

        So a round that says what the last one said changes nothing, and needs not be kept.
        """
        last = self.recommended[-1] if self.recommended else None
        if last is not None and last.count == count and all(one.at <= now for one in self.recommended):
            return self
        span = max(settings.up_window, settings.down_window)
        kept = _since(self.recommended[:-1], span, now)
        if last is not None and last.count != count and span:
            kept = (*kept, Stamped(at=now, count=last.count))  # it has stood until now
        return self.model_copy(update={"recommended": (*kept, Stamped(at=now, count=count))[-KEPT_MAX:]})

    def changes(self, by: int, settings: Settings, now: datetime) -> "Memory":
        """With one change more."""
        span = max(settings.up_period, settings.down_period)
        kept = (*_since(self.changed, span, now), Stamped(at=now, count=by))
        return self.model_copy(update={"changed": kept})


def stabilised(current: int, memory: Memory, settings: Settings, now: datetime) -> int:
    """Down only to the highest, up only to the lowest recommendation of the window; the last one is now's."""
    last = memory.recommended[-1].count
    lowest = min([last, *(one.count for one in _since(memory.recommended, settings.up_window, now))])
    highest = max([last, *(one.count for one in _since(memory.recommended, settings.down_window, now))])
    return min(max(current, lowest), highest)


def limited(current: int, wanted: int, memory: Memory, settings: Settings, now: datetime) -> int:
    """As far as the rate lets it go."""
    if wanted > current:
        start = current - sum(one.count for one in _since(memory.changed, settings.up_period, now))
        top = max(start + settings.up_tasks, math.ceil(start * (1 + settings.up_percent / 100)))
        return max(current, min(wanted, top))
    start = current - sum(one.count for one in _since(memory.changed, settings.down_period, now))
    bottom = min(start - settings.down_tasks, math.floor(start * (1 - settings.down_percent / 100)))
    return min(current, max(wanted, bottom))


def _since(stamped: tuple[Stamped, ...], seconds: float, now: datetime) -> tuple[Stamped, ...]:
    """Those of the last seconds; what a clock that went back says is still to come counts as now."""
    past = (one if one.at <= now else Stamped(at=now, count=one.count) for one in stamped)
    return tuple(one for one in past if now - one.at < timedelta(seconds=seconds))
