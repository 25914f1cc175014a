"""The scheduler's metrics, in a registry of their own: rendered as Prometheus' text format for `part.metrics`."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from funswarm.cronruns import CronOutcome, run_of
from funswarm.decisions import Decision
from funswarm.messages import Result

BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
EVALUATION_BUCKETS_S: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1)


class Metrics:
    """All metrics of this copy."""

    def __init__(self) -> None:
        self._registry: Final = CollectorRegistry()
        registry = self._registry
        self.results = Counter(
            "funswarm_scheduler_results", "Commands that ended", ["verb", "status", "code"], registry=registry
        )
        self.seconds = Histogram(
            "funswarm_scheduler_command_seconds",
            "From when a command was handed over until its result was stored",
            ["verb"],
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._denied = Counter(
            "funswarm_admission_denied", "Refusals by admission, by rule", ["rule"], registry=registry
        )
        self.malformed = Counter("funswarm_scheduler_malformed", "Messages that are no command", registry=registry)
        self.retries = Counter("funswarm_scheduler_retries", "Tries in vain: engine or NATS away", registry=registry)
        self.faults = Counter("funswarm_scheduler_faults", "Faults in Funswarm itself", registry=registry)
        self.in_hand = Gauge("funswarm_scheduler_commands_in_hand", "Commands not ended yet", registry=registry)
        self.held = Gauge("funswarm_scheduler_commands_held", "Commands that wait for a rollout", registry=registry)
        self.active = Gauge("funswarm_scheduler_active", "1 while this copy holds the lease", registry=registry)
        self.view_complete = Gauge(
            "funswarm_scheduler_view_complete", "1 while the feed of services is read and followed", registry=registry
        )
        self.view_services = Gauge("funswarm_scheduler_view_services", "Services known of", registry=registry)
        self.view_told_at = Gauge(
            "funswarm_scheduler_view_event_timestamp_seconds",
            "When the poller saw the newest change of a service that was followed; 0: none yet",
            registry=registry,
        )
        self.evaluations = Histogram(
            "funswarm_policies_evaluation_seconds",
            "Deciding for one service, by all its policies",
            registry=registry,
            buckets=EVALUATION_BUCKETS_S,
        )
        self._decisions = Counter(
            "funswarm_policies_decisions", "Decisions that were told", ["policy", "outcome"], registry=registry
        )
        self._cron_runs = Counter(
            "funswarm_cron_runs", "Runs of cron jobs that ended, or were not begun", ["outcome"], registry=registry
        )
        self._cron_late = Histogram(
            "funswarm_cron_late_seconds", "From when a run was due until it was asked for", registry=registry,
            buckets=BUCKETS_S,
        )  # fmt: skip
        self.problems = Gauge("funswarm_policies_problems", "Labels that policies do not follow", registry=registry)
        self.holds = Gauge("funswarm_policies_holds", "Holds that people put", registry=registry)

    def denied(self, rule: str) -> None:
        """Admission refused a command by this rule."""
        self._denied.labels(rule).inc()

    def decided(self, decision: Decision) -> None:
        """A decision of a policy is told."""
        self._decisions.labels(decision.policy, decision.outcome.value).inc()
        run = run_of(decision)
        if run is None:
            return
        if run.outcome is not CronOutcome.RUNNING:
            self._cron_runs.labels(run.outcome.value).inc()
        elif run.late_s is not None:
            self._cron_late.observe(run.late_s)

    def ended(self, result: Result, seconds: float) -> None:
        """A result is stored."""
        self.results.labels(result.verb, result.status.value, result.code.value if result.code else "").inc()
        self.seconds.labels(result.verb).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
