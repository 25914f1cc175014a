"""Why a service is to be awake now, or must not be: sessions, running hours, and those that it backs off from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from funswarm.sessions import Session
from funswarm.state import ServiceState
from funswarm.waking import WakeSettings, wake_settings
from services.scheduler.policies.contract import World

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

Open = Mapping[str, Session]


@dataclass(frozen=True, slots=True)
class Awake:
    """Why it is to be awake. `since`: from when on; of running hours long ago, so that they go before a request."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted now: the sessions that are open, and the clock."""

    sessions: Open
    now: datetime

    def awake(self, name: str, settings: WakeSettings) -> Awake | None:
        """Why a service is to be awake; None: nothing wants it to be."""
        if settings.hours_at(self.now) is not None:
            return Awake("these are its running hours", LONG_AGO)
        session = self.sessions.get(name)
        return None if session is None else Awake("somebody asks for it", session.since)

    def backs_off(self, name: str, settings: WakeSettings, why: Awake | None, world: World) -> str:
        """Whom it has to leave the field to; empty: nobody. Of two that back off from each other the first goes on."""
        if not settings.anti_affinity:
            return ""
        for other in world.services():
            theirs = wake_settings(other.mode, other.labels) if other.name != name else None
            if theirs is None or not {*theirs.group} & {*settings.anti_affinity}:
                continue
            rival = self.awake(other.name, theirs)
            mutual = bool({*settings.group} & {*theirs.anti_affinity})
            if rival is None or (mutual and why is not None and (why.since, name) < (rival.since, other.name)):
                continue
            return other.name
        return ""


def awake_replicas(service: ServiceState, wanted: Wanted) -> int:
    """So many replicas at least, for a service that another policy scales; 0: nobody asks for it."""
    settings = wake_settings(service.mode, service.labels)
    return settings.active_replicas if settings is not None and wanted.awake(service.name, settings) else 0
