"""The metrics of webhooks, each by the hook's name."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from funswarm.hooks import HookStatus

BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
DELAY_BUCKETS_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 300, 3600, 86400)
OUTCOMES: Final = ("delivered", "again", "dead", "gone")


class HookMetrics:
    """What deliveries come to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by = ["hook"]
        self.attempts = Counter(
            "funswarm_hook_attempts", "Attempts to deliver an event, by outcome", [*by, "outcome"], registry=registry
        )
        self.attempt_s = Histogram(
            "funswarm_hook_attempt_seconds", "How long an attempt took", by, registry=registry, buckets=BUCKETS_S
        )
        self.delay_s = Histogram(
            "funswarm_hook_delay_seconds", "From when NATS had an event until it was delivered", by,
            registry=registry, buckets=DELAY_BUCKETS_S,
        )  # fmt: skip
        self.dead_letters = Counter("funswarm_hook_dead_letters", "Events given up", by, registry=registry)
        self.lost = Counter(
            "funswarm_hook_lost_events", "Events no longer kept before they could be delivered", by, registry=registry
        )
        self.pending = Gauge("funswarm_hook_pending", "Events that are to be delivered still", by, registry=registry)
        self.oldest_s = Gauge(
            "funswarm_hook_oldest_seconds", "The age of the oldest event in hand; 0: none", by, registry=registry
        )
        self.paused = Gauge("funswarm_hook_paused", "1 while nothing is sent", by, registry=registry)
        self.failing = Gauge("funswarm_hook_failing", "1 since the last attempt was in vain", by, registry=registry)

    def attempted(self, hook: str, outcome: str, seconds: float) -> None:
        self.attempts.labels(hook, outcome).inc()
        self.attempt_s.labels(hook).observe(seconds)

    def is_now(self, status: HookStatus) -> None:
        name = status.hook.name
        self.pending.labels(name).set(status.pending)
        self.oldest_s.labels(name).set(status.oldest_s or 0.0)
        self.paused.labels(name).set(status.state == "paused")
        self.failing.labels(name).set(status.state == "failing")

    def forget(self, hook: str) -> None:
        """It is no more."""
        for outcome in OUTCOMES:
            self.attempts.remove(hook, outcome)
        for metric in (
            self.attempt_s, self.delay_s, self.dead_letters, self.lost, self.pending, self.oldest_s, self.paused,
            self.failing,
        ):  # fmt: skip
            metric.remove(hook)
