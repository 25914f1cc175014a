"""What the scheduler needs to know; built from services.settings in its `__main__`. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.scheduler.convergence import DEFAULT_PATIENCE, Patience

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """This copy, whether its engine is the simulator, and how long a service may take to settle.

    `deliveries_max`: a command that ends the scheduler so often is given up. `admission_file` None: the default policy.
    `rebalance_window`: as `22:00-06:00`, None: always; `rebalance_at_once`: so many services.
    `prometheus_url` None: there is none to ask.
    """

    instance: str
    version: str
    simulator: bool = False
    patience: Patience = DEFAULT_PATIENCE
    deliveries_max: int = 5
    admission_file: Path | None = None
    rebalance_window: str | None = None
    rebalance_at_once: int = 1
    prometheus_url: str | None = None

    @classmethod
    def of(cls, settings: "Settings", instance: str, version: str) -> "SchedulerSettings":
        """The part of all settings that the scheduler needs."""
        patience = Patience(settings.stable_s, settings.stalled_s, settings.settle_timeout_s)
        return cls(
            instance, version, settings.simulator, patience, settings.deliveries_max, settings.admission_file,
            settings.rebalance_window, settings.rebalance_at_once, settings.prometheus_url,
        )  # fmt: skip
