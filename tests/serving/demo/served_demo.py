"""A reader of frames that is easy to predict, for tests of the demo page."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import numpy as np

from kaffect.serving.demo.reading import DemoModel, FaceReading
from kaffect.serving.demo.sessions import SessionLimits, Sessions
from kaffect.serving.demo.site import DemoSite
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.rest import RestApi
from kaffect.serving.server.running import RunningServer
from tests.serving.server import served

LABELS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


class BrightnessReader:
    """One face in the middle, happy when the frame is bright; counts its frames as state."""

    def __init__(self) -> None:
        self.frames = 0

    def read(self, frame: np.ndarray, seconds: float) -> list[FaceReading]:
        self.frames += 1
        height, width = frame.shape[:2]
        level = float(frame.mean()) / 255.0
        if level < 0.02:
            return []
        probabilities = np.full(7, (1 - level) / 6)
        probabilities[4] = level
        box = (0.3 * width, 0.2 * height, 0.7 * width, 0.8 * height)
        return [
            FaceReading(
                1, box, 0.9, 2 * level - 1, min(1.0, self.frames / 100), probabilities,
                LABELS[int(probabilities.argmax())],
            )
        ]  # fmt: skip


def model(reader: Any = BrightnessReader) -> DemoModel:
    return DemoModel("tiny", 2, LABELS, "", reader)


@contextlib.contextmanager
def running(
    models: Any, limits: SessionLimits | None = None, demo: DemoModel | None = None
) -> Iterator[tuple[RunningServer, Sessions]]:
    """A server with the demo page."""
    shown = demo or model()
    made: list[Sessions] = []

    def handler(engine: Engine) -> tuple[Any, Any]:
        made.append(Sessions(shown, limits, engine.metrics))
        return DemoSite(RestApi(engine), made[0], shown), made[0].close

    with served.running(models, demo=handler) as server:
        yield server, made[0]


def talk(server: Any, steps: Callable[[Any, str], Awaitable[Any]]) -> Any:
    """Run `steps` with an HTTP session and the address of the WebSocket."""

    async def run() -> Any:
        async with aiohttp.ClientSession() as session:
            return await steps(session, f"http://127.0.0.1:{server.rest_port}/demo/ws")

    return asyncio.run(run())


def nobody_left(sessions: Sessions, seconds: float = 10.0) -> bool:
    """Whether every session ends within a while."""
    end = time.monotonic() + seconds
    while sessions.count and time.monotonic() < end:
        time.sleep(0.01)
    return sessions.count == 0
