"""The poller's metrics, in a registry of their own: rendered as Prometheus' text format for `part.metrics`."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from funswarm.messages import Event

LATENCY_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 60, 600)
LIST_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """All metrics of this copy. Times in seconds; the latency is between two clocks, Swarm's and ours."""

    def __init__(self) -> None:
        self._registry: Final = CollectorRegistry()
        registry = self._registry
        self.latency_s = Histogram(
            "funswarm_poller_engine_to_publish_seconds",
            "From Swarm's time of a change until NATS has its event",
            ["kind"],
            registry=registry,
            buckets=LATENCY_BUCKETS_S,
        )
        self.events = Counter("funswarm_poller_events", "Published events", ["kind", "action"], registry=registry)
        self.list_s = Histogram(
            "funswarm_poller_list_seconds", "Cost of a full list", ["kind"], registry=registry, buckets=LIST_BUCKETS_S
        )
        self.resyncs = Counter("funswarm_poller_resyncs", "Full lists, by cause", ["reason"], registry=registry)
        self.silences = Counter(
            "funswarm_poller_engine_stream_silences", "Engine event streams found silent", registry=registry
        )
        self.drops = Counter(
            "funswarm_poller_engine_events_dropped",
            "Changes that lists found and the engine's event stream did not tell of",
            registry=registry,
        )
        self.hints = Counter("funswarm_poller_hints", "Events of the engine", ["kind"], registry=registry)
        self.retries = Counter("funswarm_poller_publish_retries", "Writes to NATS tried again", registry=registry)
        self.cut = Counter("funswarm_poller_events_cut", "Events that NATS took only cut", registry=registry)
        self.misunderstood = Gauge(
            "funswarm_poller_misunderstood", "Objects that cannot be understood", ["kind"], registry=registry
        )
        self._trouble = Gauge(
            "funswarm_poller_trouble", "1 where something is wrong: part.health says what", ["place"], registry=registry
        )
        self.active = Gauge("funswarm_poller_active", "1 while this copy holds the lease", registry=registry)
        self.takeovers = Counter("funswarm_poller_takeovers", "How often this copy became active", registry=registry)
        self._gauges: Final = {
            "data_age_s": Gauge(
                "funswarm_poller_data_age_seconds", "Since all was last listed, +Inf: never yet", registry=registry
            ),
            "objects": Gauge("funswarm_poller_objects", "Objects that subscribers know", registry=registry),
            "owed": Gauge("funswarm_poller_owed", "Objects whose change is yet to be published", registry=registry),
            "moving": Gauge("funswarm_poller_services_in_motion", "Services being polled for tasks", registry=registry),
        }
        self._read: Callable[[], Mapping[str, float]] = dict

    def published(self, event: Event, now: datetime, since: datetime) -> None:
        """NATS has this event. What Swarm did before `since`, when nobody looked, says nothing about latency."""
        self.events.labels(event.kind, event.action).inc()
        try:
            changed_at = datetime.fromisoformat(event.time)
        except ValueError:
            return
        if changed_at.tzinfo is None:
            changed_at = changed_at.replace(tzinfo=UTC)
        if changed_at >= since:
            self.latency_s.labels(event.kind).observe(max(0.0, (now - changed_at).total_seconds()))

    def follow(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Where the gauges' values come from when they are asked for; a gauge that it does not name is 0."""
        self._read = read

    def text(self, troubles: Iterable[str] = ()) -> bytes:
        """`troubles`: the places where something is wrong."""
        self._trouble.clear()
        for place in troubles:
            self._trouble.labels(place).set(1)
        values = self._read()
        for name, gauge in self._gauges.items():
            gauge.set(values.get(name, 0.0))
        return generate_latest(self._registry)
