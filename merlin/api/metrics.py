"""What the API counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "merlin_api_requests",
            "Operations by their first field and outcome (ok, error, refused, timeout).",
            ["operation", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "merlin_api_request_seconds",
            "Time to answer a query or mutation.",
            ["operation"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.subscriptions = Gauge(
            "merlin_api_subscriptions", "Open subscriptions.", ["operation"], registry=self.registry
        )
        self.event_lag = Histogram(
            "merlin_api_event_lag_seconds",
            "Time from an event's writing to its sending.",
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
