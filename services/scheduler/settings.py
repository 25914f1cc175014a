"""What the scheduler needs to know; built from services.settings in its `__main__`. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.settings import Settings


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """This copy, and whether its engine is the simulator."""

    instance: str
    version: str
    simulator: bool = False

    @classmethod
    def of(cls, settings: "Settings", instance: str, version: str) -> "SchedulerSettings":
        """The part of all settings that the scheduler needs."""
        return cls(instance=instance, version=version, simulator=settings.simulator)
