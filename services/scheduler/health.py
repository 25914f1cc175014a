"""How this copy of the scheduler is: what it answers to `part.health`. Reads a clock, nothing else."""

from datetime import UTC, datetime

from funswarm.messages import PartHealth
from services.scheduler.settings import SchedulerSettings


class Standing:
    """This copy: since when it is, whether it is active, and what is wrong, by where."""

    def __init__(self, settings: SchedulerSettings) -> None:
        self.active = False
        self.engine: str | None = None
        self.troubles: dict[str, str] = {"engine": "the engine has not answered yet"}
        self._settings = settings
        self._started_at = datetime.now(UTC)

    def health(self) -> PartHealth:
        """The answer; `ok` where nothing is wrong."""
        reason = "; ".join(self.troubles.values()) or None
        return PartHealth(
            part="scheduler",
            instance=self._settings.instance,
            version=self._settings.version,
            started_at=self._started_at,
            active=self.active,
            ok=reason is None,
            reason=reason,
            simulator=self._settings.simulator,
            engine=self.engine,
        )
