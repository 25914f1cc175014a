"""The api's own metrics, in a registry of their own."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class Figures:
    """All figures of this copy; times in seconds."""

    def __init__(self) -> None:
        self.open_streams = 0
        self._registry: Final = CollectorRegistry()
        self._requests = Counter(
            "funswarm_api_requests", "Answered requests", ["method", "route", "status"], registry=self._registry
        )
        self._took = Histogram(
            "funswarm_api_request_seconds", "From request to answer's end", ["route"], registry=self._registry
        )
        self._denied = Counter(
            "funswarm_http_denied", "Requests without a token that may do this", ["reason"], registry=self._registry
        )
        self._tokens = Gauge(
            "funswarm_http_tokens_trouble", "1 while the tokens' file cannot be used", registry=self._registry
        )
        streams = Gauge("funswarm_api_event_streams", "Open streams of events", registry=self._registry)
        streams.set_function(lambda: self.open_streams)

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """One request; `route` is the path's pattern."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._took.labels(route).observe(took_s)

    def denied(self, reason: str) -> None:
        """One request that was not let in: `unauthenticated`, `role` or `namespace`."""
        self._denied.labels(reason).inc()

    def tells_of_tokens(self, is_wrong: Callable[[], bool]) -> None:
        """From now on: whether the tokens' file cannot be used, asked whenever the figures are."""
        self._tokens.set_function(is_wrong)

    def text(self) -> str:
        return generate_latest(self._registry).decode()
