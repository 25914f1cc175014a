"""The engine's event stream: a ring of 256 messages, and subscribers that lose what they do not read in time.

As moby daemon/events: tasks emit nothing, a change of a spec says only the name; see noderunner.go there. Pure.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from services.simulator.model import Json, Node, Object, Resource, Service, Task
from services.simulator.store import Change

RING = 256
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the stream. `action`: create, update or remove."""

    kind: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    at_ns: int
    scope: str = "swarm"

    def json(self) -> Json:
        """As the stream shows it: swarm events never had the legacy `status` and `id`."""
        return {
            "Type": self.kind,
            "Action": self.action,
            "Actor": {"ID": self.actor_id, "Attributes": dict(self.attributes)},
            "scope": self.scope,
            "time": self.at_ns // 10**9,
            "timeNano": self.at_ns,
        }


def event_of(change: Change) -> Event | None:
    """The event that a change of the store makes, if it makes one."""
    item = change.after or change.before
    if item is None or isinstance(item, Task) or (isinstance(item, Resource) and item.spec.get("Scope") == "local"):
        return None
    action = "update" if change.before and change.after else "create" if change.after else "remove"
    attributes = {"name": item.name}
    if change.before and change.after:
        attributes |= _differences(_facts(change.before), _facts(change.after))
    return Event(item.kind, action, item.id, attributes, change.at_ns)


def _facts(item: Object) -> dict[str, str]:
    """What an update event tells about, when it changes."""
    if isinstance(item, Service):
        facts = {"image": item.template["ContainerSpec"]["Image"], "updatestate": item.update_state}
        if item.mode == "Replicated":
            facts["replicas"] = str(item.spec["Mode"]["Replicated"]["Replicas"])
        return facts
    if isinstance(item, Node):
        return {"state": item.state, "availability": item.availability, "role": item.role}
    return {}


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    pairs = {f"{key}.{age}": facts[key] for age, facts in (("old", before), ("new", after)) for key in facts}
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return {name: value for name, value in pairs.items() if name.rpartition(".")[0] in changed and value}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants: any of the values of each key. `since`, `until`: seconds; None: no bound."""

    wanted: Mapping[str, Iterable[str]]
    since_ns: int | None = None
    until_ns: int | None = None

    def matches(self, event: Event) -> bool:
        """Whether an event is wanted, its time apart."""
        return all(_matches(event, key, list(values)) for key, values in self.wanted.items())


KNOWN_FILTERS = (
    *("config", "container", "daemon", "event", "image", "label", "network"),
    *("node", "plugin", "scope", "secret", "service", "type", "volume"),
)


def _matches(event: Event, key: str, values: list[str]) -> bool:
    if key == "type":
        return event.kind in values
    if key == "event":
        return event.action in values
    if key == "scope":
        return event.scope in values
    if key == "label":
        return False  # swarm events carry no labels
    return event.kind == key and (event.actor_id in values or event.attributes.get("name") in values)


class EventLog:
    """The ring, and who listens. A subscriber is a queue of at most `BACKLOG` events; what does not fit is lost."""

    def __init__(self) -> None:
        self.ring: deque[Event] = deque(maxlen=RING)
        self.subscribers: list[Subscriber] = []

    def record(self, change: Change) -> None:
        """Watch a store's changes: the log's entry."""
        if event := event_of(change):
            self.publish(event)

    def publish(self, event: Event) -> None:
        """Keep an event and hand it to all who listen."""
        self.ring.append(event)
        for subscriber in self.subscribers:
            subscriber.offer(event)

    def past(self, wanted: Filter) -> list[Event]:
        """What the ring still has since `wanted.since_ns`: the scan goes back and stops at the first older one."""
        found = []
        for event in reversed(self.ring):
            if wanted.since_ns is not None and event.at_ns < wanted.since_ns:
                break
            if (wanted.until_ns is None or event.at_ns <= wanted.until_ns) and wanted.matches(event):
                found.append(event)
        return found[::-1]

    def forget(self) -> None:
        """What a restart of the daemon does to the ring."""
        self.ring.clear()


class Subscriber:
    """A bounded queue of events for one reader; `ready` is called when there is something in it.

    While `silent`, what happens is lost to it.
    """

    def __init__(self, wanted: Filter, silent: Callable[[], bool] = lambda: False) -> None:
        self.wanted = wanted
        self._silent = silent
        self.queue: deque[Event] = deque()
        self.ready: Callable[[], None] = lambda: None

    def offer(self, event: Event) -> None:
        """Queue an event if it is wanted and there is room."""
        if self.wanted.matches(event) and len(self.queue) < BACKLOG and not self._silent():
            self.queue.append(event)
            self.ready()
