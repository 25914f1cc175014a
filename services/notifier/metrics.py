"""The notifier's metrics, in a registry of their own: rendered as Prometheus' text format for `part.metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest


class Metrics:
    """All metrics of this copy; who notifies in another way adds its own to `registry`."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.active = Gauge("funswarm_notifier_active", "1 while this copy holds the lease", registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
