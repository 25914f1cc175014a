"""How this copy of the poller is: what it answers to `part.health`. Reads clocks, nothing else."""

import time
from datetime import UTC, datetime
from typing import Final, Protocol

from funswarm.messages import PartHealth

AGE_PACES: Final = 3  # data older than so many intervals between full lists is too old


class Troubles:
    """What is wrong now, by where; each place sets and clears its own. A note is told, but leaves the copy well."""

    def __init__(self) -> None:
        self._by_place: Final[dict[str, str]] = {}
        self._since: Final[dict[str, float]] = {}
        self._notes: Final[dict[str, str]] = {}

    def set(self, place: str, reason: str) -> None:
        self._by_place[place] = reason
        self._since.setdefault(place, time.monotonic())

    def clear(self, place: str) -> None:
        self._by_place.pop(place, None)
        self._since.pop(place, None)

    def note(self, place: str, text: str | None) -> None:
        """Tell this; None: no longer."""
        self._notes.pop(place, None)
        if text:
            self._notes[place] = text

    def forget_notes(self) -> None:
        self._notes.clear()

    def lasts_s(self, place: str) -> float:
        """Since when there is trouble at this place without a break, in seconds; 0: there is none."""
        since = self._since.get(place)
        return 0.0 if since is None else time.monotonic() - since

    @property
    def places(self) -> frozenset[str]:
        """Where there is trouble."""
        return frozenset(self._by_place)

    @property
    def reason(self) -> str | None:
        """All that is wrong, None when nothing is."""
        return "; ".join(self._by_place.values()) or None

    @property
    def notes(self) -> str | None:
        """What else is to be told, None when nothing is."""
        return "; ".join(self._notes.values()) or None


class DataAge(Protocol):
    """How old the data is (None: not all was listed yet), and the interval between full lists; in seconds."""

    @property
    def age_s(self) -> float | None: ...

    @property
    def interval_s(self) -> float: ...


class Standing:
    """This copy: since when it is, what is wrong, whether it is the active one and how old its data is."""

    def __init__(self, instance: str, version: str, data_age_max_s: float, *, simulator: bool) -> None:
        self.troubles: Final = Troubles()
        self.active = False
        self.engine: str | None = None
        self.data: DataAge | None = None  # of the active copy
        self._instance = instance
        self._version = version
        self._data_age_max_s = data_age_max_s
        self._simulator = simulator
        self._started_at = datetime.now(UTC)

    def health(self) -> PartHealth:
        """The answer; not ok where something is wrong, or the active copy's data is too old. Notes are reasons too."""
        reason = self.troubles.reason
        age_s = self.data.age_s if self.data else None
        limit_s = max(self._data_age_max_s, AGE_PACES * (self.data.interval_s if self.data else 0.0))
        if self.active and age_s is None:
            reason = reason or "the first full list is not complete yet"
        elif self.active and age_s is not None and age_s > limit_s:
            reason = reason or f"the data is {age_s:.0f} s old; more than {limit_s:.0f} s is too old"
        return PartHealth(
            part="poller",
            instance=self._instance,
            version=self._version,
            started_at=self._started_at,
            active=self.active,
            ok=reason is None,
            reason=reason or self.troubles.notes,
            data_age_s=age_s,
            simulator=self._simulator,
            engine=self.engine,
        )
