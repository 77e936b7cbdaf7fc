"""Synthetic Aff-Wild: how fast it is drawn, and drawn and encoded, 320x240, on one thread."""

from __future__ import annotations

import tempfile
from pathlib import Path

from scripts.benchmarks.frame import Benchmark, Variant
from scripts.benchmarks.frame.measure import Step

SECONDS, FPS = 2.0, 30


def drawing_step(encode: bool) -> Step:
    """One video of `SECONDS`: drawn, or drawn and encoded."""
    import cv2

    from kaffect.data.video.mp4 import Mp4Writer
    from kaffect.synthetic import SyntheticConfig, make_plan, render_video

    cv2.setNumThreads(1)
    config = SyntheticConfig(sizes=((320, 240),), seconds=SECONDS)
    video = make_plan(config)[0]

    def draw() -> int:
        return sum(1 for _ in render_video(video))

    def write() -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            with Mp4Writer(path, video.fps, config.preset, config.crf) as writer:
                for image in render_video(video):
                    writer.add(image)
            return writer.frames

    return write if encode else draw


BENCHMARK = Benchmark(
    title=f"{SECONDS:g} s of synthetic video drawn, and drawn and encoded, 320x240, one thread",
    variants={
        "drawing": Variant(lambda: drawing_step(False)),
        "drawing and encoding": Variant(lambda: drawing_step(True)),
    },
    amount=SECONDS * FPS,
    unit="frames",
    warmup=1,
)
