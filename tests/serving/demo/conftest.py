"""A server with the demo page and small limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kaffect.serving.demo.sessions import SessionLimits
from tests.serving.demo import served_demo


@pytest.fixture(scope="module")
def demo(tiny_models: Any) -> Iterator[Any]:
    """The server and its sessions."""
    limits = SessionLimits(
        sessions=2, client_share=1.0, message_bytes=1 << 16, pixels=100 * 100, silence=2.0
    )
    with served_demo.running(tiny_models, limits) as (server, sessions):
        yield server, sessions
