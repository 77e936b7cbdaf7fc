"""What the server counts, for Prometheus: requests by outcome, time, batch sizes, load.

Serves the engineer who runs it. Labels take only names that the server knows, so
that no client can make their number grow.
"""

from __future__ import annotations

import time
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
# A page is made anew after this time, and sooner where something was counted.
_PAGE_SECONDS = 1.0


class Metrics:
    """The counters of one server; each has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._changes = 0
        self._page: tuple[int, float, bytes] = (-1, 0.0, b"")
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
        self._changes += 1

    def rows_observer(self, model: str, signature: str) -> Callable[[int], None]:
        """What a batcher tells its batch sizes."""
        rows = self._rows.labels(model, signature)

        def observe(number: int) -> None:
            rows.observe(number)
            self._changes += 1

        return observe

    def busy(self, change: int) -> None:
        self._busy.inc(change)
        self._changes += 1

    def sessions(self, change: int) -> None:
        self._sessions.inc(change)
        self._changes += 1

    def page(self) -> bytes:
        """Everything in Prometheus' text format.

        Who asks again and again gets the same page, which costs nothing to make.
        """
        changes, now = self._changes, time.monotonic()
        if self._page[0] != changes or now - self._page[1] >= _PAGE_SECONDS:
            self._page = (changes, now, generate_latest(self._registry))
        return self._page[2]
