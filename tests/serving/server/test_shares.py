"""Messages that do not come in stay for a while; then the busiest client makes room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kaffect.serving.server import shares
from kaffect.serving.server.limits import Limits, RequestError
from kaffect.serving.server.shares import Uploads

LIMITS = Limits(uploads=3, body_seconds=20.0)


async def hold(uploads: Uploads, client: str) -> str:
    """Send nothing; tell how that ended."""
    try:
        async with uploads.place(client):
            await asyncio.sleep(10)
    except RequestError as error:
        return error.code
    return "sent"


@pytest.mark.parametrize(
    ("patience", "bad", "displaced"),
    [
        (60.0, 11, 0),  # as many as there may be for a while
        (60.0, 12, 1),  # one more
        (0.0, 7, 5),  # each beyond the limit finds an older one
    ],
)
def test_who_makes_room(
    patience: float, bad: int, displaced: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "_PATIENCE", patience)

    async def run() -> list[Any]:
        uploads = Uploads(LIMITS)
        tasks = []
        for client in ["bad", "good", *["bad"] * (bad - 1)]:
            tasks.append(asyncio.create_task(hold(uploads, client)))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        ended = [task.result() if task.done() else "inside" for task in tasks]
        assert uploads.count == ended.count("inside")
        for task in tasks:
            task.cancel()
        return ended

    ended = asyncio.run(run())
    assert ended.pop(1) == "inside", "a client that has one stays, although it is among the oldest"
    assert ended == ["RESOURCE_EXHAUSTED"] * displaced + ["inside"] * (bad - displaced)
