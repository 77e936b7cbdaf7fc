"""The page of counters: made anew when something was counted, and once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kaffect.serving.server import metrics
from kaffect.serving.server.metrics import Metrics

COUNTED: list[tuple[Callable[[Metrics], None], bytes]] = [
    (lambda m: m.answered("a", "rest", "OK", 0.003), b'{code="OK",model="a",protocol="rest"} 1.0'),
    (lambda m: m.answered("a", "rest", "OK", 0.003), b'le="0.005",model="a",protocol="rest"} 1.0'),
    (lambda m: m.rows_observer("a", "s")(3), b'le="4.0",model="a",signature="s"} 1.0'),
    (lambda m: m.busy(2), b"kaffect_requests_in_progress 2.0"),
    (lambda m: m.sessions(1), b"kaffect_demo_sessions 1.0"),
]


@pytest.mark.parametrize(("count", "line"), COUNTED)
def test_what_is_counted_is_on_the_next_page(count: Callable[[Metrics], None], line: bytes) -> None:
    counters = Metrics()
    assert line not in counters.page()
    count(counters)
    assert line in counters.page()


def test_a_page_is_given_again_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    counters, made = Metrics(), []
    generate = metrics.generate_latest
    monkeypatch.setattr(metrics, "generate_latest", lambda r: made.append(r) or generate(r))
    first = counters.page()
    assert counters.page() is first and len(made) == 1
    later = time.monotonic() + 1.5
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert counters.page() is not first and len(made) == 2
