"""How this copy of the notifier is: what it answers to `part.health`. Reads clocks, nothing else."""

from datetime import UTC, datetime
from typing import Final

from funswarm.messages import PartHealth
from services.notifier.settings import NotifierSettings


class Standing:
    """This copy: since when it is, whether it is active, and what is wrong, by where.

    A receiver that is down is nothing of this: Funswarm is well, and the hooks' own status says so.
    """

    def __init__(self, settings: NotifierSettings) -> None:
        self.active_ways: Final[set[str]] = set()
        self.troubles: Final[dict[str, str]] = {}
        self._settings = settings
        self._started_at = datetime.now(UTC)

    def tell(self, place: str, why: str | None) -> None:
        """What is wrong there; None: nothing."""
        self.troubles.pop(place, None)
        if why is not None:
            self.troubles[place] = why

    def health(self) -> PartHealth:
        """The answer; `ok` where nothing is wrong."""
        reason = "; ".join(self.troubles.values()) or None
        return PartHealth(
            part="notifier",
            instance=self._settings.instance,
            version=self._settings.version,
            started_at=self._started_at,
            active=bool(self.active_ways),
            ok=reason is None,
            reason=reason,
        )
