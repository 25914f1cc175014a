"""Which services requests may wake, and how they are: from the followed World. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from funswarm.waking import WakeSettings, wake_settings
from services.api.world import Service, World


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A service that opted in."""

    service: Service
    settings: WakeSettings


@dataclass(frozen=True, slots=True)
class Sleepers:
    """By name; `groups`: the names of each, in order."""

    by_name: Mapping[str, Sleeper]
    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Seen:
    """How a service is: so many tasks run, of so many; `why_not`: what it waits for, empty where it is ready.

    `required` false: nobody waits for it.
    """

    name: str
    running: int
    wanted: int
    ready: bool
    why_not: str
    groups: tuple[str, ...] = ()
    required: bool = True

    def told(self) -> dict[str, Any]:
        """As Sablier tells an instance."""
        instance: dict[str, Any] = {
            "name": self.name,
            "currentReplicas": self.running,
            "desiredReplicas": self.wanted,
            "status": "ready" if self.ready else "starting",
            "provider": "swarm",
        }
        if self.groups:
            instance |= {"enabled": "true", "groups": list(self.groups)}
        if self.why_not:
            instance["message"] = self.why_not
        return {"instance": instance} | ({} if self.required else {"optional": True})


def sleepers_of(services: Iterable[Service]) -> Sleepers:
    """Those of the services that opted in, by their labels."""
    found: dict[str, Sleeper] = {}
    groups: dict[str, list[str]] = {}
    for service in sorted(services, key=lambda one: one.name):
        settings = wake_settings(service.mode, service.labels)
        if settings is not None:
            found[service.name] = Sleeper(service, settings)
            for group in settings.group:
                groups.setdefault(group, []).append(service.name)
    return Sleepers(found, {group: tuple(names) for group, names in groups.items()})


def seen(world: World, sleeper: Sleeper, now: datetime, *, required: bool, was_ready: bool = False) -> Seen:
    """How the service is now.

    Ready is: all of its active replicas run, each for `ready_after`. `was_ready`: it has been in this session; then one
    that runs is enough, for what it has become since (a rollout, a failed task, autoscale) is no start any more.
    """
    service, settings = sleeper.service, sleeper.settings
    tasks = world.ready_tasks(service.id)
    wanted = max(service.replicas or 0, settings.active_replicas)
    needed = 1 if was_ready else min(wanted, settings.active_replicas)
    old = sum(now - _moment(task.since) >= timedelta(seconds=settings.ready_after) for task in tasks)
    why_not = ""
    if settings.ready_on_start:
        why_not = "" if service.replicas else "it is being started"
    elif not service.replicas:
        why_not = "it is being started"
    elif len(tasks) < needed:
        why_not = f"{len(tasks)} of {needed} tasks run{_others(world, service)}"
    elif old < needed and not was_ready:
        why_not = f"its tasks run, and get {settings.ready_after:g} s to settle"
    return Seen(service.name, len(tasks), wanted, not why_not, why_not, settings.group, required)


def absent(name: str) -> Seen:
    """One that may be missing, and is."""
    return Seen(name, 0, 0, ready=False, why_not="there is no such service that opted in", required=False)


def _others(world: World, service: Service) -> str:
    states = [task.state for task in world.tasks.get(service.id, ()) if not task.is_ready]
    counted = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"; {', '.join(counted)}" if counted else ""


def _moment(text: str) -> datetime:
    """Swarm's time to the microsecond; what is none is long ago."""
    try:
        whole, dot, fraction = text.rstrip("Z").partition(".")
        return datetime.fromisoformat(f"{whole}{dot}{fraction[:6].ljust(6, '0') if dot else ''}+00:00")
    except ValueError:
        return datetime(1, 1, 1, tzinfo=UTC)
