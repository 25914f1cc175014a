"""How this copy of the scheduler is: what it answers to `part.health`. Reads clocks, nothing else."""

import time
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
        self._away_since: float | None = None

    def engine_there(self, engine: str) -> None:
        """It answers: its version and address."""
        self.engine = engine
        self._away_since = None
        self.troubles.pop("engine", None)

    def engine_away(self, reason: str) -> None:
        self._away_since = self._away_since or time.monotonic()
        self.troubles["engine"] = reason

    def engine_away_s(self) -> float:
        """For how long the engine does not answer, 0: it does."""
        return time.monotonic() - self._away_since if self._away_since else 0.0

    def lease_told(self, why: str | None) -> None:
        """Why it cannot be told who is active, None: it can."""
        self.troubles.pop("lease", None)
        if why is not None:
            self.troubles["lease"] = why

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
