"""What the server counts, for Prometheus: requests by outcome, time, batch sizes, load.

Serves the engineer who runs it. Labels take only names that the server knows, so
that no client can make their number grow.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one server; each has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "kaffect_requests_total",
            "Answered requests; code is a gRPC status name, OK where all went well.",
            ["model", "protocol", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "kaffect_request_seconds",
            "From the header of a request to its answer.",
            ["model", "protocol"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._rows = Histogram(
            "kaffect_batch_rows",
            "Rows computed together.",
            ["model", "signature"],
            buckets=_ROWS,
            registry=self._registry,
        )
        self._busy = Gauge(
            "kaffect_requests_in_progress", "Admitted, not answered.", registry=self._registry
        )
        self._sessions = Gauge(
            "kaffect_demo_sessions", "Open sessions of the demo page.", registry=self._registry
        )

    def answered(self, model: str, protocol: str, code: str, seconds: float) -> None:
        self._requests.labels(model, protocol, code).inc()
        self._seconds.labels(model, protocol).observe(seconds)

    def rows_observer(self, model: str, signature: str) -> Callable[[int], None]:
        """What a batcher tells its batch sizes."""
        return self._rows.labels(model, signature).observe

    def busy(self, change: int) -> None:
        self._busy.inc(change)

    def sessions(self, change: int) -> None:
        self._sessions.inc(change)

    def page(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
