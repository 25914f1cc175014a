"""What the poller needs to know; built from services.settings in its `__main__`. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class PollerSettings:
    """`cluster`: the name in events, None: the Swarm's id. `watch`: optional kinds. Intervals and ages in seconds."""

    instance: str
    version: str
    cluster: str | None = None
    watch: tuple[str, ...] = ()
    list_share: float = 0.01
    interval_max_s: float = 600.0
    interval_min_s: float = 2.0
    data_age_max_s: float = 90.0
    simulator: bool = False

    @classmethod
    def of(cls, settings: "Settings", instance: str, version: str) -> "PollerSettings":
        """The part of all settings that the poller needs."""
        return cls(
            instance=instance,
            version=version,
            cluster=settings.cluster,
            watch=settings.watch,
            list_share=settings.list_share,
            interval_max_s=settings.interval_max_s,
            data_age_max_s=settings.data_age_max_s,
            simulator=settings.simulator,
        )

    @property
    def hinted_kinds(self) -> tuple[str, ...]:
        """The kinds that the engine's event stream tells of."""
        return ("service", "node", *self.watch)

    @property
    def listed_kinds(self) -> tuple[str, ...]:
        """All kinds, those first whose names the others need."""
        return (*self.watch, "node", "service", "task")
