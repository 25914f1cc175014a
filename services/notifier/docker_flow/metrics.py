"""What the listener counts: docker-flow-swarm-listener's own two, and Funswarm's. Pure but for the registry."""

from collections import Counter as Counts
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.notifier.docker_flow.settings import Kind
from services.notifier.docker_flow.told import Verb

BUCKETS_S: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60)
SERVICE: Final = "swarm_listener"


class DockerFlowMetrics:
    """Ours are in `registry`, which is the notifier's; the old two are only in `text`, under their old names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._errors = Counts[str]()
        self.services = 0
        self._sent = Counter(
            "funswarm_docker_flow_requests", "Requests of receivers", ["receiver", "kind", "verb", "outcome"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "funswarm_docker_flow_request_seconds", "How long receivers take to answer", ["receiver"],
            registry=registry, buckets=BUCKETS_S,
        )  # fmt: skip
        self._given_up = Counter(
            "funswarm_docker_flow_given_up", "Notifications that became dead letters", ["receiver", "kind", "verb"],
            registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "funswarm_docker_flow_pending", "Notifications that are not delivered yet", registry=registry
        )

    def sent(self, receiver: str, kind: Kind, verb: Verb, reason: str | None, seconds: float) -> None:
        """A request has ended; `reason`: why it is not delivered, None: it is."""
        self._sent.labels(receiver, kind, verb, "delivered" if reason is None else "failed").inc()
        self._seconds.labels(receiver).observe(seconds)

    def given_up(self, receiver: str, kind: Kind, verb: Verb) -> None:
        """A notification became a dead letter."""
        self._given_up.labels(receiver, kind, verb).inc()
        self.error(f"notificationSend{verb.capitalize()}{kind}Request")

    def error(self, operation: str) -> None:
        """As docker-flow-swarm-listener counts errors, by its words for what went wrong."""
        self._errors[operation] += 1

    def text(self) -> str:
        """Prometheus' text format."""
        lines = ["# HELP docker_flow_error Error counter", "# TYPE docker_flow_error counter"]
        lines += [
            f'docker_flow_error{{operation="{operation}",service="{SERVICE}"}} {count}'
            for operation, count in sorted(self._errors.items())
        ]
        lines += ["# HELP docker_flow_service_count Service gauge", "# TYPE docker_flow_service_count gauge"]
        lines += [f'docker_flow_service_count{{service="{SERVICE}"}} {self.services}']
        return "\n".join(lines) + "\n" + generate_latest(self._registry).decode()
